/** A piece of a text, and where it starts. */
export type Part =
  | { kind: "text"; at: number; text: string }
  | { kind: "url"; at: number; text: string; to: string }
  | { kind: "page"; at: number; text: string; to: string };

// An address, a hashtag or a name. A name or hashtag starts after a character that cannot be a part of one.
const LINKS =
  /https?:\/\/[^\s<>"'`]+|(?<![\p{L}\p{M}\p{N}_&/])#[\p{L}\p{M}\p{N}_]+|(?<![\p{L}\p{M}\p{N}_./])@[\p{L}\p{M}\p{N}_.]+/gu;

/** Splits a text at its links; `hashtags` and `usernames` are those that the server has found in it. */
export function splitText(source: string, hashtags?: readonly string[], usernames: readonly string[] = []): Part[] {
  const text = source.normalize("NFC");
  const parts: Part[] = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(LINKS)) {
    const link = linkOf(found, hashtags, usernames);
    if (!link) continue;
    if (index > end) parts.push({ kind: "text", at: end, text: text.slice(end, index) });
    parts.push({ ...link, at: index });
    end = index + link.text.length;
  }
  if (end < text.length) parts.push({ kind: "text", at: end, text: text.slice(end) });
  return parts;
}

function linkOf(found: string, hashtags: readonly string[] | undefined, usernames: readonly string[]) {
  if (found.startsWith("#")) {
    const tag = found.slice(1).toLowerCase();
    if (hashtags && !hashtags.includes(tag)) return undefined;
    return { kind: "page", text: found, to: `/tags/${encodeURIComponent(tag)}` } as const;
  }
  if (found.startsWith("@")) {
    const name = found.slice(1).toLowerCase();
    // A full stop after a name may end the sentence.
    const [username] = usernames.filter((known) => name.startsWith(known)).sort((a, b) => b.length - a.length);
    return username
      ? ({ kind: "page", text: found.slice(0, username.length + 1), to: `/@${username}` } as const)
      : undefined;
  }
  const url = withoutPunctuation(found);
  return URL.canParse(url) ? ({ kind: "url", text: url, to: url } as const) : undefined;
}

/** What ends the sentence, and brackets around the address, are no part of it. */
function withoutPunctuation(url: string): string {
  let end = url.length;
  for (; end > 0; end--) {
    const rest = url.slice(0, end);
    const isOurs = rest.endsWith(")") && rest.split("(").length >= rest.split(")").length;
    if (isOurs || !/[.,!?;:、。…)\]}]$/u.test(rest)) break;
  }
  return url.slice(0, end);
}
