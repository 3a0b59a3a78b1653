/** Where a text has the words of a search, as the server finds them: Hangul anywhere, other words from their beginning. */
export function matchesIn(text: string, query: string): { from: number; to: number }[] {
  const words = query.normalize("NFC").match(/[\p{L}\p{M}\p{N}_]+/gu) ?? [];
  if (words.length === 0) return [];
  const isCompound = /^[\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
  // The longest one first: otherwise a word hides those that begin with it.
  const patterns = words
    .sort((one, other) => other.length - one.length)
    .map((word) => (isCompound.test(word) ? word : `(?<![\\p{L}\\p{M}\\p{N}])${word}`));
  return [...text.matchAll(new RegExp(patterns.join("|"), "giu"))].map(({ 0: found, index }) => ({
    from: index,
    to: index + found.length,
  }));
}
