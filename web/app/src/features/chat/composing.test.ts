import type { KeyboardEvent } from "react";
import { expect, test } from "vitest";
import { isComposing } from "./composing";

const key = (more: object) =>
  ({ nativeEvent: { isComposing: false, keyCode: 13, ...more } }) as unknown as KeyboardEvent;

test("Enter belongs to the input method while it composes, and in Safari just after it", () => {
  expect(isComposing(key({}))).toBe(false);
  expect(isComposing(key({ isComposing: true }))).toBe(true);
  expect(isComposing(key({ keyCode: 229 }))).toBe(true);
});
