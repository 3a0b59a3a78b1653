// Hangul while it is being typed. The last syllable takes shapes on its way that the word does not have: 노을 is typed as
// ㄴ, 노, 농, 노으, 노을. So texts are compared by the keys that type them.

const FIRST = 0xac00;
const LAST = 0xd7a3;
const INITIALS = [..."ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"];
const VOWELS = "ㅏ ㅐ ㅑ ㅒ ㅓ ㅔ ㅕ ㅖ ㅗ ㅗㅏ ㅗㅐ ㅗㅣ ㅛ ㅜ ㅜㅓ ㅜㅔ ㅜㅣ ㅠ ㅡ ㅡㅣ ㅣ".split(" ");
const FINALS =
  ",ㄱ,ㄲ,ㄱㅅ,ㄴ,ㄴㅈ,ㄴㅎ,ㄷ,ㄹ,ㄹㄱ,ㄹㅁ,ㄹㅂ,ㄹㅅ,ㄹㅌ,ㄹㅍ,ㄹㅎ,ㅁ,ㅂ,ㅂㅅ,ㅅ,ㅆ,ㅇ,ㅈ,ㅊ,ㅋ,ㅌ,ㅍ,ㅎ".split(",");

/** The initial, the vowel and the final of a syllable as indices; `undefined` for every other character. */
function partsOf(character: string): [number, number, number] | undefined {
  const code = character.codePointAt(0) ?? 0;
  if (code < FIRST || code > LAST) return undefined;
  const index = code - FIRST;
  return [Math.floor(index / 588), Math.floor((index % 588) / 28), index % 28];
}

/** The keys that type a text; what is not Hangul is in lower case. */
export function keysOf(text: string): string {
  const keys = [...text.normalize("NFC").toLowerCase()].map((character) => {
    const parts = partsOf(character);
    return parts ? [INITIALS[parts[0]], VOWELS[parts[1]], FINALS[parts[2]]].join("") : character;
  });
  return keys.join("");
}

/**
 * The text before its last syllable was begun, or before its last final was typed, which may be the start of the next
 * syllable. `undefined` if the text does not end with Hangul, or if nothing is left.
 */
export function beforeLastKeys(text: string): string | undefined {
  const characters = [...text.normalize("NFC")];
  const last = characters.pop() ?? "";
  const parts = partsOf(last);
  if (!parts && !/^[ㄱ-ㅣ]$/.test(last)) return undefined;
  if (parts && parts[2] > 0) characters.push(String.fromCodePoint((last.codePointAt(0) ?? 0) - parts[2]));
  return characters.join("").trim() || undefined;
}
