import type { User } from "@blegram/client";
import { UserMinus, Users } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useParams } from "react-router";
import { useTexts } from "../../i18n";
import NotFound from "../../routes/not-found";
import { blegram } from "../../site";
import { ButtonLink } from "../../ui/button";
import { Menu } from "../../ui/menu";
import { Page } from "../../ui/page";
import { Empty, Failure, Spinner } from "../../ui/states";
import { TabLinks } from "../../ui/tab-links";
import { useMe } from "../session/session";
import { usersKey } from "./cache";
import { Closed } from "./closed";
import { closedBy, isNotFound, usernameIn, useUser } from "./queries";
import { UserList } from "./user-list";

const RemoveDialog = lazy(() => import("./remove-dialog"));

/** Who follows a user, or whom the user follows. */
type Side = "followers" | "following";

/** `/@name/followers` and `/@name/following`. */
export function FollowPage({ side }: { side: Side }) {
  const username = usernameIn(useParams()["at"]);
  return username ? <FollowLists key={username} username={username} side={side} /> : <NotFound />;
}

function FollowLists({ username, side }: { username: string; side: Side }) {
  const t = useTexts("people");
  const { data: user, error, refetch } = useUser(username);
  if (isNotFound(error)) return <NotFound />;
  const tab = (of: Side) => ({
    to: `/@${username}/${of}`,
    label: t(of === "followers" ? "followers_tab" : "followed"),
    isCurrent: side === of,
  });
  return (
    <Page title={user?.display_name ?? `@${username}`} back>
      <TabLinks label={t("follows")} tabs={[tab("followers"), tab("following")]} />
      {user ? (
        <Follows key={side} user={user} side={side} />
      ) : error ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : (
        <Spinner />
      )}
    </Page>
  );
}

function Follows({ user, side }: { user: User; side: Side }) {
  const t = useTexts("people");
  const me = useMe();
  const [removing, setRemoving] = useState<User>();
  const isMine = me?.id === user.id;
  const by = closedBy(user, me?.id);
  if (by) return <Closed user={user} by={by} action />;
  const name = user.display_name;
  const label = t(side === "followers" ? "followers_of" : "followed_by_user", { name });
  return (
    <>
      <UserList
        queryKey={usersKey(side, user.id)}
        list={(query, options) =>
          side === "followers"
            ? blegram.users.listFollowers(user.id, query, options)
            : blegram.users.listFollowing(user.id, query, options)
        }
        label={label}
        empty={
          <Empty icon={Users} title={t(side === "followers" ? "no_followers" : "no_followed")}>
            {isMine && (
              <ButtonLink to="/explore" kind="primary">
                {t("find_people")}
              </ButtonLink>
            )}
          </Empty>
        }
        more={(follower) =>
          isMine &&
          side === "followers" &&
          follower.viewer?.followed_by && (
            <Menu
              label={t("more_about", { name: follower.display_name })}
              items={[
                {
                  label: t("remove_follower"),
                  icon: UserMinus,
                  danger: true,
                  onSelect: () => setRemoving(follower),
                },
              ]}
            />
          )
        }
      />
      <Suspense>{removing && <RemoveDialog user={removing} onClose={() => setRemoving(undefined)} />}</Suspense>
    </>
  );
}
