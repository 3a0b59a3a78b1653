import type { Post } from "@blegram/client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { ArrowUp } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { useTexts } from "../../i18n";
import { pages, type usePages } from "../../query";
import { Button } from "../../ui/button";
import { PageList } from "../../ui/page-list";
import { toastError } from "../../ui/toast";
import { useNewer } from "./newer";
import { loadPhotos, PostCard } from "./post-card";
import styles from "./post-list.module.css";
import { PostSkeletons } from "./post-skeleton";
import { topicOf } from "./topic-names";
import { useTopic } from "./topics";

interface PostListProps {
  /** `postsKey(…)`. */
  queryKey: readonly unknown[];
  list: Parameters<typeof usePages<Post>>[1];
  label: string;
  empty: ReactNode;
  /** Above the list; scrolls with it. */
  header?: ReactNode;
}

/** A list of posts that scrolls with the window. What is read does not move: new posts are announced. */
export function PostList({ queryKey, list, label, empty, header }: PostListProps) {
  const query = useInfiniteQuery({ ...pages(queryKey, list), staleTime: Number.POSITIVE_INFINITY });
  const newer = useNewer(queryKey, list, query.isSuccess);
  useTopic(topicOf(queryKey));
  // While the posts are loaded. If it fails, it is tried again for the first post with photos.
  useEffect(() => void loadPhotos().catch(() => {}), []);
  return (
    <>
      {header}
      <NewPosts {...newer} />
      <PageList query={query} label={label} empty={empty} skeleton={<PostSkeletons />}>
        {(post, index) => <PostCard post={post} isFirst={index === 0} />}
      </PageList>
    </>
  );
}

/** How many posts are new. */
function NewPosts({ count, show }: { count: number; show: () => Promise<void> }) {
  const t = useTexts("posts");
  const onClick = async () => {
    try {
      await show();
    } catch (error) {
      return toastError(error);
    }
    window.scrollTo({ top: 0 });
    // The button leaves: the reader continues at the top.
    document.getElementById("page")?.focus({ preventScroll: true });
  };
  return (
    <div role="status" className={styles.newer}>
      {count > 0 && (
        <Button kind="primary" small icon={ArrowUp} onClick={onClick}>
          {count < 100 ? t("new_posts", { count }) : t("many_new_posts")}
        </Button>
      )}
    </div>
  );
}
