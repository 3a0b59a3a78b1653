// What people do with comments.

import type { Comment } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { queries } from "../../query";
import { blegram } from "../../site";
import { toastError } from "../../ui/toast";
import { refreshPost } from "../posts/actions";
import { addComment, changeComment, removeComment, withLike } from "./cache";

interface NewComment {
  text: string;
  /** The comment that it replies to. */
  parent: string | undefined;
  /** The same for the same comment: it is stored once. */
  key: string;
}

export function useCreateComment(post: string) {
  return useMutation({
    mutationFn: ({ text, parent, key }: NewComment) =>
      blegram.comments.create(post, { text, ...(parent && { parent_id: parent }) }, { idempotencyKey: key }),
    onSuccess: (comment) => {
      addComment(comment, true);
      refreshCounts(post);
    },
  });
}

interface CommentEdit {
  text: string;
  /** The version that was edited: an edit on another device in between is not lost. */
  version: string | null | undefined;
}

export function useEditComment(id: string) {
  return useMutation({
    mutationFn: ({ text, version }: CommentEdit) =>
      blegram.comments.update(id, { text }, version ? { ifMatch: version } : {}),
    onSuccess: (edited) => changeComment(id, () => edited),
  });
}

export function useDeleteComment({ id, post_id }: Comment) {
  return useMutation({
    mutationFn: () => blegram.comments.delete(id),
    onSuccess: () => {
      removeComment(id);
      refreshCounts(post_id);
    },
    onError: toastError,
  });
}

export function useLikeComment({ id }: Comment) {
  const key = ["like-comment", id];
  return useMutation({
    mutationKey: key,
    scope: { id: key.join() },
    mutationFn: (liked: boolean) => (liked ? blegram.comments.like(id) : blegram.comments.unlike(id)),
    onMutate: (liked) => changeComment(id, (comment) => withLike(comment, liked)),
    onSuccess: ({ liked, like_count }) => {
      if (queries.isMutating({ mutationKey: key }) > 1) return;
      changeComment(id, (comment) => ({ ...withLike(comment, liked), like_count }));
    },
    onError: (error, liked) => {
      changeComment(id, (comment) => withLike(comment, !liked));
      toastError(error);
    },
  });
}

/** The number of comments, exactly: an event with it may have arrived before the result of the call. */
const refreshCounts = (post: string) =>
  refreshPost(post).catch(() => {
    // It stays as it was until the next event.
  });
