import { expect, test } from "vitest";
import { charsLeft, lengthOf } from "./count";

const FAMILY = "👨‍👩‍👧‍👦";

test("a character is what readers see", () => {
  expect(lengthOf("안녕")).toEqual({ chars: 2, bytes: 6 });
  expect(lengthOf(FAMILY)).toEqual({ chars: 1, bytes: 25 });
  expect(lengthOf("é".normalize("NFD"))).toEqual({ chars: 1, bytes: 2 });
  expect(lengthOf("한".normalize("NFD"))).toEqual({ chars: 1, bytes: 3 });
});

test("spaces at the ends do not count", () => {
  expect(lengthOf("  a b \n").chars).toBe(3);
  expect(lengthOf(" \n ").chars).toBe(0);
});

test("what is left is of the characters, or of the bytes if they run out first", () => {
  const max = { chars: 10, bytes: 40 };
  expect(charsLeft("", max)).toBe(10);
  expect(charsLeft("0123456789", max)).toBe(0);
  expect(charsLeft("0123456789a", max)).toBe(-1);
  expect(charsLeft(`${FAMILY}0123456`, max)).toBe(2);
  expect(charsLeft(FAMILY + FAMILY, max)).toBeLessThan(0);
});

test("nothing is left exactly when the server would reject one more", () => {
  const max = { chars: 5, bytes: 12 };
  for (const text of ["가나다라", "가나다라마", "abcde", "abcdef", "가나abc", "가나다abc"]) {
    const { chars, bytes } = lengthOf(text);
    expect(charsLeft(text, max) < 0, text).toBe(chars > max.chars || bytes > max.bytes);
  }
});
