// What the editor asks of the server.

import { type CreatePost, type Media, type Post, Problem } from "@blegram/client";
import { blegram } from "../../../site";
import { prepareImage } from "../../media/prepare-image";

interface UploadOptions {
  signal: AbortSignal;
  /** Called with the part that was sent, from 0 to 1. */
  onProgress: (part: number) => void;
}

export interface Remote {
  /** Uploads a photo, in the form in which the server accepts it. */
  upload(file: File, options: UploadOptions): Promise<Media>;
  describe(media: string, alt: string): Promise<unknown>;
  /** Deletes an image that is not used. */
  discard(media: string): void;
  create(post: CreatePost, key: string): Promise<Post>;
  update(id: string, post: CreatePost): Promise<Post>;
}

export const remote: Remote = {
  async upload(file, { signal, onProgress }) {
    const prepared = await prepareImage(file);
    signal.throwIfAborted();
    const { items, problems } = await blegram.media.upload(prepared, {
      signal,
      onProgress: (sent, total) => onProgress(sent / total),
    });
    const [media] = items;
    if (!media) throw new Problem(422, { ...problems[0], errors: problems });
    return media;
  },
  describe: (media, alt) => blegram.media.update(media, { alt: alt || null }),
  discard(media) {
    blegram.media.delete(media).catch(() => {
      // The server deletes unused images after a day.
    });
  },
  create: (post, key) => blegram.posts.create(post, { idempotencyKey: key }),
  update: (id, { text, visibility, media_ids }) =>
    blegram.posts.update(id, {
      text: text ?? "",
      ...(visibility && { visibility }),
      ...(media_ids && { media_ids }),
    }),
};
