// Which files are sent as they are, which as a JPEG, and which not.

import type { Kind } from "./file-kind";

/** Why a file cannot be sent. The texts are `unsupported_<reason>`. */
export type Reason = "video" | "heic" | "other" | "empty" | "too_large" | "broken";

/** A file that cannot be sent as an image. */
export class UnsupportedImage extends Error {
  constructor(readonly reason: Reason) {
    super(`unsupported image: ${reason}`);
    this.name = "UnsupportedImage";
  }
}

/** How a file is sent: as it is, as a JPEG, or not at all. */
export function planFor(kind: Kind, size: number, limits: { media_types: string[]; media_max_bytes: number }) {
  if (size === 0) throw new UnsupportedImage("empty");
  if (kind === "video" || kind === "other") throw new UnsupportedImage(kind);
  if (!limits.media_types.includes(kind)) return "encode";
  return size > limits.media_max_bytes ? "encode" : "send";
}

/** The server stores at most 1440 pixels a side: more than twice of that is of no use. */
const LONGEST = 4096;

/** The size of an image within the limits, with its ratio. */
export function sizeWithin({ width, height }: { width: number; height: number }, maxPixels: number) {
  const scale = Math.min(1, LONGEST / Math.max(width, height), Math.sqrt(maxPixels / (width * height)));
  return { width: Math.max(1, Math.floor(width * scale)), height: Math.max(1, Math.floor(height * scale)) };
}
