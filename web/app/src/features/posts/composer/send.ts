// Sends a post so that it is stored once.

import { type CreatePost, type Post, Problem } from "@blegram/client";
import { blegram } from "../../../site";

/**
 * Creates a post. `sent` is what the first attempt has sent with this key: it may have arrived, so it is sent again as it was, and
 * what was changed since is an edit of it.
 */
export async function send(sent: CreatePost, body: CreatePost, key: string): Promise<Post> {
  const post = await blegram.posts.create(sent, { idempotencyKey: key });
  if (isSame(sent, body)) return post;
  const { text, visibility, media_ids } = body;
  return blegram.posts.update(post.id, {
    text: text ?? "",
    ...(visibility && { visibility }),
    ...(media_ids && { media_ids }),
  });
}

const isSame = (a: CreatePost, b: CreatePost) =>
  a.text === b.text && a.visibility === b.visibility && String(a.media_ids) === String(b.media_ids);

/** Whether the post was certainly not stored. */
export const isRejected = (error: unknown) =>
  error instanceof Problem && error.status < 500 && error.code !== "request-in-progress";
