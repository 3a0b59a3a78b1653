import { Bookmark } from "lucide-react";
import { postsKey } from "../features/posts/cache";
import { PostList } from "../features/posts/post-list";
import { useTexts } from "../i18n";
import { blegram } from "../site";
import { Page } from "../ui/page";
import { Empty } from "../ui/states";

/** The posts that the viewer has bookmarked. */
export default function Bookmarks() {
  const t = useTexts("posts");
  const title = useTexts("common")("bookmarks");
  return (
    <Page title={title} back>
      <PostList
        queryKey={postsKey("bookmarks")}
        list={(query, options) => blegram.posts.listBookmarks(query, options)}
        label={title}
        empty={
          <Empty icon={Bookmark} title={t("bookmarks_empty")}>
            <p>{t("bookmarks_empty_more")}</p>
          </Empty>
        }
      />
    </Page>
  );
}
