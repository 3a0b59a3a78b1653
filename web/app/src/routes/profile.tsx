import type { User } from "@blegram/client";
import { Camera } from "lucide-react";
import { useParams } from "react-router";
import { Closed } from "../features/people/closed";
import { PostViews } from "../features/people/post-views";
import { ProfileHeader } from "../features/people/profile-header";
import { ProfileSkeleton } from "../features/people/profile-skeleton";
import { closedBy, isNotFound, usernameIn, useUser } from "../features/people/queries";
import { postsKey } from "../features/posts/cache";
import { useMe } from "../features/session/session";
import { useTexts } from "../i18n";
import { blegram } from "../site";
import { ButtonLink } from "../ui/button";
import { Page } from "../ui/page";
import { Failure } from "../ui/states";
import NotFound from "./not-found";

/** `/@name`: any other path of one part is not a page. */
export default function ProfilePage() {
  const username = usernameIn(useParams()["at"]);
  return username ? <Profile key={username} username={username} /> : <NotFound />;
}

function Profile({ username }: { username: string }) {
  const me = useMe();
  const { data: user, error, refetch } = useUser(username);
  // A block, a suspension or a deletion by others, after it was loaded.
  if (isNotFound(error)) return <NotFound />;
  const isMine = me !== null && user?.id === me.id;
  return (
    <Page title={user?.display_name ?? `@${username}`} back={!isMine}>
      {user ? (
        <>
          <ProfileHeader user={user} />
          <Posts user={user} isMine={isMine} />
        </>
      ) : error ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : (
        <ProfileSkeleton />
      )}
    </Page>
  );
}

function Posts({ user, isMine }: { user: User; isMine: boolean }) {
  const t = useTexts("people");
  const me = useMe();
  const by = closedBy(user, me?.id);
  if (by) return <Closed user={user} by={by} />;
  return (
    <PostViews
      queryKey={postsKey("user", user.id)}
      list={(query, options) => blegram.users.listPosts(user.id, query, options)}
      label={t("posts_of", { name: user.display_name })}
      icon={Camera}
      empty={
        isMine
          ? {
              title: t("no_own_posts"),
              more: (
                <ButtonLink to="/new" kind="primary">
                  {t("first_post")}
                </ButtonLink>
              ),
            }
          : { title: t("no_posts") }
      }
    />
  );
}
