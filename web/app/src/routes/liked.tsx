import { Heart } from "lucide-react";
import { postsKey } from "../features/posts/cache";
import { PostList } from "../features/posts/post-list";
import { useTexts } from "../i18n";
import { blegram } from "../site";
import { Page } from "../ui/page";
import { Empty } from "../ui/states";

/** The posts that the viewer likes. */
export default function Liked() {
  const t = useTexts("posts");
  return (
    <Page title={t("liked")} back>
      <PostList
        queryKey={postsKey("liked")}
        list={(query, options) => blegram.posts.listLiked(query, options)}
        label={t("liked")}
        empty={
          <Empty icon={Heart} title={t("liked_empty")}>
            <p>{t("liked_empty_more")}</p>
          </Empty>
        }
      />
    </Page>
  );
}
