import { expect, test } from "vitest";
import { lengthOf } from "./text-length";

const limits = { maxChars: 10, maxBytes: 40 };

test.each([
  ["short", "hello", { isTooLong: false, near: undefined }],
  ["at the limit", "0123456789", { chars: 10, isTooLong: false, near: "chars" }],
  ["one too many", "0123456789a", { chars: 11, isTooLong: true, near: "chars" }],
  // What people see as one character has many code points.
  ["families", "👨‍👩‍👧‍👦".repeat(2), { bytes: 50, isTooLong: true, near: "bytes" }],
  ["flags", "🇰🇷".repeat(5), { chars: 5, bytes: 40, isTooLong: false, near: "bytes" }],
  // Hangul as single letters, as macOS writes the names of files: the server counts it composed.
  ["decomposed Hangul", "한글".repeat(5).normalize("NFD"), { chars: 10, bytes: 30, isTooLong: false, near: "chars" }],
])("%s", (_, text, expected) => {
  expect(lengthOf(text, limits)).toMatchObject(expected);
});
