// What the events of posts do to the query cache.

import { queries } from "../../query";
import type { Listen } from "../realtime/realtime";
import { changePost, postKey, removeFromList, updatePost } from "./cache";
import { announce, announceMany, lookForNewer, withdraw } from "./newer";
import { onSubscribed } from "./on-subscribed";
import { listOf } from "./topic-names";

export const listenToPosts: Listen = (gateway, me) => {
  gateway.on("post.created", ({ topic, post }) => {
    // One's own posts are shown by the page that wrote them.
    if (post.author.id !== me.id) announce(topic, post.id);
  });
  gateway.on("timeline.head", ({ topic, count }) => announceMany(topic, count));
  gateway.on("post.updated", ({ post }) => updatePost(post));
  gateway.on("post.counts", ({ post_id, like_count, comment_count }) =>
    changePost(post_id, (post) => ({ ...post, like_count, comment_count })),
  );
  gateway.on("post.deleted", ({ topic, post_id }) => {
    const list = listOf(topic);
    if (list) {
      // It may have left only this list: by an edit, it can lose a hashtag, or become visible to followers only.
      removeFromList(list, post_id);
      withdraw(topic, post_id);
      void queries.invalidateQueries({ queryKey: postKey(post_id) });
    } else changePost(post_id, () => undefined);
  });
  gateway.on("topic.revoked", ({ topic }) => {
    if (topic.startsWith("post:")) void queries.invalidateQueries({ queryKey: postKey(topic.slice("post:".length)) });
  });
  onSubscribed(gateway, (topic) => {
    const list = listOf(topic);
    if (list) void lookForNewer(list);
  });

  // What happened while there was no connection is not repeated.
  let wasConnected = false;
  gateway.on("connected", () => {
    if (wasConnected) void queries.invalidateQueries({ queryKey: ["post"] });
    wasConnected = true;
  });
};
