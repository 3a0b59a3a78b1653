import type { Media } from "@blegram/client";

/** Portraits are at most 4:5 and panoramas 1.91:1, so that a post is never taller than a screen, and never a stripe. */
const [TALLEST, WIDEST] = [4 / 5, 1.91];

/** The ratio of the box of a post's photos: that of the first one, within limits. */
export function boxRatio(media: Media[]): number {
  const [first] = media;
  return first ? Math.min(WIDEST, Math.max(TALLEST, first.width / first.height)) : 1;
}
