// The length of texts, as the server counts it: without spaces at the ends, in NFC, in characters as readers see them, and in
// bytes.

const segmenter = new Intl.Segmenter();
const encoder = new TextEncoder();

export function lengthOf(text: string): { chars: number; bytes: number } {
  const counted = text.trim().normalize("NFC");
  let chars = 0;
  for (const _ of segmenter.segment(counted)) chars++;
  return { chars, bytes: encoder.encode(counted).length };
}

/** How many characters are left; fewer if the bytes run out first, below zero if the text is too long. */
export function charsLeft(text: string, max: { chars: number; bytes: number }): number {
  const { chars, bytes } = lengthOf(text);
  const left = max.chars - chars;
  if (bytes <= max.bytes && left >= 0) {
    // Emoji of families have 25 bytes: what is left of the bytes decides then.
    return Math.min(left, max.bytes - bytes);
  }
  return Math.min(left, bytes > max.bytes ? -Math.max(1, Math.ceil((bytes - max.bytes) / (bytes / chars))) : left);
}
