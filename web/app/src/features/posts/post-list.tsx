import type { Post } from "@blegram/client";
import type { ReactNode } from "react";
import { usePages } from "../../query";
import { PageList } from "../../ui/page-list";
import { PostCard } from "./post-card";

interface PostListProps {
  /** `postsKey(…)`. */
  queryKey: readonly unknown[];
  list: Parameters<typeof usePages<Post>>[1];
  label: string;
  empty: ReactNode;
}

/** A list of posts that scrolls with the window. */
export function PostList({ queryKey, list, label, empty }: PostListProps) {
  const query = usePages<Post>(queryKey, list);
  return (
    <PageList query={query} label={label} empty={empty}>
      {(post) => <PostCard post={post} />}
    </PageList>
  );
}
