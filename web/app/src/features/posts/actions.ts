// What people do with posts. The cache changes at once, and back if the server rejects it.

import type { Post } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { queries } from "../../query";
import { blegram } from "../../site";
import { toastError } from "../../ui/toast";
import { changePost, postsKey, withBookmark, withLike } from "./cache";

export function useLike(post: Post) {
  const key = ["like-post", post.id];
  return useMutation({
    mutationKey: key,
    // Taps that follow each other arrive in their order.
    scope: { id: key.join() },
    mutationFn: (liked: boolean) => (liked ? blegram.posts.like(post.id) : blegram.posts.unlike(post.id)),
    onMutate: (liked) => changePost(post.id, (shown) => withLike(shown, liked)),
    onSuccess: ({ liked, like_count }) => {
      // The result of an earlier tap would undo what the later one shows.
      if (queries.isMutating({ mutationKey: key }) > 1) return;
      changePost(post.id, (shown) => ({ ...withLike(shown, liked), like_count }));
      listChanged("liked");
    },
    onError: (error, liked) => {
      changePost(post.id, (shown) => withLike(shown, !liked));
      toastError(error);
    },
  });
}

export function useBookmark(post: Post) {
  const key = ["bookmark-post", post.id];
  return useMutation({
    mutationKey: key,
    scope: { id: key.join() },
    mutationFn: (wanted: boolean) => (wanted ? blegram.posts.bookmark(post.id) : blegram.posts.unbookmark(post.id)),
    onMutate: (wanted) => changePost(post.id, (shown) => withBookmark(shown, wanted)),
    onSuccess: () => listChanged("bookmarks"),
    onError: (error, wanted) => {
      changePost(post.id, (shown) => withBookmark(shown, !wanted));
      toastError(error);
    },
  });
}

/** A list of the viewer has other posts now. It is loaded again when it is opened: what is on the screen stays. */
const listChanged = (list: string) => queries.invalidateQueries({ queryKey: postsKey(list), refetchType: "none" });

export function useDeletePost(post: Post, onDeleted?: () => void) {
  return useMutation({
    mutationFn: () => blegram.posts.delete(post.id),
    onSuccess: () => {
      changePost(post.id, () => undefined);
      onDeleted?.();
    },
    onError: toastError,
  });
}

/** Loads a post again: the addresses of its photos have expired, for example. */
export async function refreshPost(id: string): Promise<void> {
  const post = await blegram.posts.get(id);
  changePost(id, () => post);
}
