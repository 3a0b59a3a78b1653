import { expect, test } from "vitest";
import { Positions } from "./positions";

test("the number of unread messages follows the numbers of messages, whatever is learned twice", () => {
  const positions = new Positions();
  expect(positions.advance("c", { last: 10, read: 7 })).toBeUndefined();
  expect(positions.advance("c", { last: 11 })).toBe(1);
  expect(positions.advance("c", { last: 11 })).toBe(0);
  expect(positions.advance("c", { last: 9 })).toBe(0);
  expect(positions.advance("c", { read: 9 })).toBe(-2);
  // A message of the user marks those before it as read.
  expect(positions.advance("c", { last: 12, read: 12 })).toBe(-2);
  expect(positions.advance("c", { read: 3 })).toBe(0);
});

test("a conversation that is read before its messages are known has no negative number", () => {
  const positions = new Positions();
  positions.advance("c", { last: 5, read: 5 });
  expect(positions.advance("c", { read: 7 })).toBe(0);
  expect(positions.advance("c", { last: 8 })).toBe(1);
});
