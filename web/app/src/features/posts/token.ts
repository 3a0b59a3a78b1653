/** A name or hashtag that is being written. */
export interface Token {
  kind: "@" | "#";
  /** What is written of it so far, without `@` or `#`. */
  query: string;
  /** Where it starts. */
  start: number;
}

// Like the links of a text: after a character that cannot be a part of a name or hashtag.
const TOKEN =
  /(?<![\p{L}\p{M}\p{N}_&/])#[\p{L}\p{M}\p{N}_]{1,50}$|(?<![\p{L}\p{M}\p{N}_./])@[\p{L}\p{M}\p{N}_.]{1,30}$/u;

/** The token before the caret. A syllable that is being composed belongs to it. */
export function tokenAt(text: string, caret: number): Token | undefined {
  const found = TOKEN.exec(text.slice(0, caret));
  if (!found) return undefined;
  const [token] = found;
  return { kind: token[0] as Token["kind"], query: token.slice(1).normalize("NFC"), start: found.index };
}

/** The text with a completed token and a space after it, and the caret behind. */
export function complete(text: string, { kind, start }: Token, caret: number, name: string) {
  const rest = text.slice(caret);
  const before = `${text.slice(0, start)}${kind}${name} `;
  return { text: before + rest.replace(/^ /, ""), caret: before.length };
}
