import { expect, test } from "vitest";
import { passwordLength, passwordProblem } from "./password";

const LIMITS = { password_min_chars: 10, password_max_chars: 128 };

test.each([
  ["short", "password_short"],
  ["a small room by the sea", undefined],
  ["a".repeat(129), "password_long"],
  ["aaaaaaaaaaaa", "password_repeats"],
  ["abcabcabcabc", "password_repeats"],
  ["123456789012", "password_repeats"],
  ["haneul1234", "password_name"],
  ["HANEUL!!!!", "password_name"],
  ["haneul has a red bicycle", undefined],
])("%j: %s", (password, problem) => {
  expect(passwordProblem(password, LIMITS, ["haneul"])).toBe(problem);
});

test("a password is counted in code points of NFC", () => {
  expect(passwordLength("비밀번호".normalize("NFD"))).toBe(4);
  expect(passwordLength("🌊🌊")).toBe(2);
});
