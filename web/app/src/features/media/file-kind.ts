// What a file is, by its first bytes: names and types of files are wrong or missing often, above all on phones.

/** The media type of an image, `video`, or `other`. */
export type Kind = `image/${string}` | "video" | "other";

const text = (bytes: Uint8Array, from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));

/** Returns what a file is; `type` is what the browser says. */
export function kindOf(bytes: Uint8Array, type: string): Kind {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return "image/jpeg";
  if (text(bytes, 1, 4) === "PNG") return "image/png";
  if (text(bytes, 0, 4) === "GIF8") return "image/gif";
  if (text(bytes, 0, 4) === "RIFF") return text(bytes, 8, 12) === "WEBP" ? "image/webp" : "video";
  if (text(bytes, 4, 8) === "ftyp") return kindOfBrands(bytes);
  // Matroska and WebM.
  if (bytes[0] === 0x1a && bytes[1] === 0x45 && bytes[2] === 0xdf) return "video";
  if (type.startsWith("video/")) return "video";
  return type.startsWith("image/") && type !== "image/svg+xml" ? (type as Kind) : "other";
}

/** ISO media files (MP4, HEIC, AVIF) name in their first box what they are compatible with. */
function kindOfBrands(bytes: Uint8Array): Kind {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= Math.min(length, bytes.length); at += 4)
    if (at !== 12) brands.push(text(bytes, at, at + 4));
  if (brands.some((brand) => brand === "avif" || brand === "avis")) return "image/avif";
  if (brands.some((brand) => /^(heic|heix|hevc|hevx|heim|heis|mif1|msf1)$/.test(brand))) return "image/heic";
  return "video";
}
