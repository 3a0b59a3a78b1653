import type { User } from "@blegram/client";
import { Heart } from "lucide-react";
import { useParams } from "react-router";
import { FollowButton } from "../features/people/follow-button";
import { UserRow } from "../features/people/user-row";
import { useTexts } from "../i18n";
import { usePages } from "../query";
import { blegram } from "../site";
import { Page } from "../ui/page";
import { PageList } from "../ui/page-list";
import { Empty } from "../ui/states";

/** Who likes a post. */
export default function Likers() {
  const t = useTexts("posts");
  const { id = "" } = useParams();
  const query = usePages<User>(["users", "likers", id], (cursor, options) =>
    blegram.posts.listLikers(id, cursor, options),
  );
  return (
    <Page title={t("likers")} back>
      <PageList query={query} label={t("likers")} empty={<Empty icon={Heart} title={t("likers_empty")} />}>
        {(user) => <UserRow user={user} action={<FollowButton user={user} />} />}
      </PageList>
    </Page>
  );
}
