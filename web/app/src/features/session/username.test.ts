import { expect, test } from "vitest";
import { normalizeUsername, usernameProblem } from "./username";

const LIMITS = { username_min_chars: 3, username_max_chars: 30 };

test.each([
  ["haneul", undefined],
  ["Haneul", undefined],
  ["@haneul", undefined],
  ["제주바다", undefined],
  ["제주바다".normalize("NFD"), undefined],
  ["a.b_1", undefined],
  ["ab", "username_short"],
  ["민수", "username_short"],
  ["a".repeat(30), undefined],
  ["a".repeat(31), "username_long"],
  ["a b", "username_characters"],
  ["ㅏㅏㅏ", "username_characters"],
  ["ünal", "username_characters"],
  [".abc", "username_dots"],
  ["abc.", "username_dots"],
  ["a..b", "username_dots"],
])("%j: %s", (name, problem) => {
  expect(usernameProblem(name, LIMITS)).toBe(problem);
});

test("a name is stored in NFC and lower case", () => {
  expect(normalizeUsername(" @제주Sea".normalize("NFD"))).toBe("제주sea");
});
