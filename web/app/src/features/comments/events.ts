// What the events of comments do to the query cache.

import type { Comment } from "@blegram/client";
import { queries } from "../../query";
import { onSubscribed } from "../posts/on-subscribed";
import type { Listen } from "../realtime/realtime";
import { addComment, changeComment, commentsKey, REPLIES, removeComment } from "./cache";

/** The latest comment of another user on a post, which the page of the post announces. */
export const latestKey = (post: string) => ["latest-comment", post] as const;

export const listenToComments: Listen = (gateway, me) => {
  gateway.on("comment.created", ({ comment }) => {
    const isMine = comment.author?.id === me.id;
    addComment({ ...comment, viewer: { liked: false } }, isMine);
    if (!isMine) queries.setQueryData<Comment>(latestKey(comment.post_id), comment);
  });
  gateway.on("comment.updated", ({ comment }) => changeComment(comment.id, ({ viewer }) => ({ ...comment, viewer })));
  gateway.on("comment.deleted", ({ comment_id }) => {
    if (comment_id) removeComment(comment_id);
  });

  onSubscribed(gateway, (topic) => {
    // The comments of a post on the screen. New ones are the last ones, so what is read does not move.
    const post = topic.startsWith("post:") && topic.slice("post:".length);
    if (!post || !queries.getQueryState(commentsKey(post))) return;
    void queries.invalidateQueries({ queryKey: commentsKey(post) });
    void queries.invalidateQueries({ queryKey: REPLIES });
  });
};
