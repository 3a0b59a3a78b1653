import { useQuery } from "@tanstack/react-query";
import { Hash } from "lucide-react";
import { useParams } from "react-router";
import { postsKey } from "../features/posts/cache";
import { PostList } from "../features/posts/post-list";
import { useMe } from "../features/session/session";
import { useTexts } from "../i18n";
import { blegram } from "../site";
import { ButtonLink } from "../ui/button";
import { Page } from "../ui/page";
import { Empty } from "../ui/states";
import NotFound from "./not-found";
import styles from "./tag.module.css";

/** The public posts with a hashtag. */
export default function TagPage() {
  const t = useTexts("posts");
  const me = useMe();
  // As the server writes hashtags, so that any spelling is the same page.
  const tag = (useParams()["tag"] ?? "").normalize("NFKC").toLowerCase().replace(/^#/, "");
  const { data } = useQuery({
    queryKey: ["hashtag", tag],
    queryFn: ({ signal }) => blegram.discovery.getHashtag(tag, { signal }),
    enabled: tag !== "",
  });
  if (!tag) return <NotFound />;
  return (
    <Page title={`#${tag}`} back>
      <PostList
        key={tag}
        queryKey={postsKey("tag", tag)}
        list={(query, options) => blegram.timelines.hashtag(tag, query, options)}
        label={`#${tag}`}
        header={data && data.post_count > 0 && <p className={styles.count}>{t("posts", { count: data.post_count })}</p>}
        empty={
          <Empty icon={Hash} title={t("tag_empty", { tag })}>
            {me && (
              <>
                <p>{t("tag_empty_more")}</p>
                <ButtonLink to={`/new?text=${encodeURIComponent(`#${tag} `)}`} kind="primary">
                  {t("write_post")}
                </ButtonLink>
              </>
            )}
          </Empty>
        }
      />
    </Page>
  );
}
