/** The length of a text as the server counts it: in NFC, without white space around it, in characters that users perceive. */
export function textLength(raw: string): number {
  return [...new Intl.Segmenter().segment(normalized(raw))].length;
}

/** Whether a text is longer than allowed, in characters or in bytes of UTF-8: one character may have many. */
export function isTooLong(raw: string, maxCharacters: number, maxBytes: number): boolean {
  return textLength(raw) > maxCharacters || new TextEncoder().encode(normalized(raw)).length > maxBytes;
}

const normalized = (raw: string) => raw.replaceAll("\r\n", "\n").normalize("NFC").trim();
