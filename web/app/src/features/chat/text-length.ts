// The server counts characters as people see them, and bytes.

export interface TextLimits {
  maxChars: number;
  maxBytes: number;
}

export interface TextLength {
  chars: number;
  bytes: number;
  isTooLong: boolean;
  /** What to show near the limit. */
  near: "chars" | "bytes" | undefined;
}

/** Shown from this part of a limit. */
const NEAR = 0.9;
const segmenter = new Intl.Segmenter();
const encoder = new TextEncoder();

export function lengthOf(source: string, { maxChars, maxBytes }: TextLimits): TextLength {
  const text = source.normalize("NFC");
  const bytes = encoder.encode(text).length;
  // There are at most as many characters as code units, and to count them takes time.
  const chars = text.length < NEAR * maxChars ? text.length : [...segmenter.segment(text)].length;
  const parts = { chars: chars / maxChars, bytes: bytes / maxBytes };
  const nearer = parts.bytes > parts.chars ? "bytes" : "chars";
  return {
    chars,
    bytes,
    isTooLong: chars > maxChars || bytes > maxBytes,
    near: parts[nearer] >= NEAR ? nearer : undefined,
  };
}
