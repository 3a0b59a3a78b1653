import { expect, test } from "vitest";
import { isTooLong, textLength } from "./text-length";

test.each([
  ["", 0],
  ["  바다  ", 2],
  ["바다".normalize("NFD"), 2],
  ["👨‍👩‍👧‍👦", 1],
  ["a\r\nb", 3],
])("%j has %i characters", (text, length) => {
  expect(textLength(text)).toBe(length);
});

test("a text is too long in characters or in bytes", () => {
  expect(isTooLong("abc", 3, 3)).toBe(false);
  expect(isTooLong("abcd", 3, 100)).toBe(true);
  expect(isTooLong("👨‍👩‍👧‍👦", 3, 20)).toBe(true);
});
