import type { Conversation, ReadState } from "@blegram/client";
import { expect, test } from "vitest";
import { readersOf, statusOf } from "./status";
import { message, user } from "./testing";

const state = (user_id: string, read_no: number, delivered_seq: number): ReadState => ({
  user_id,
  read_no,
  delivered_seq,
});
const conversation = (...read_states: ReadState[]) => ({ read_states }) as Conversation;
const sent = message(5, { sender: user("me"), seq: 9 });

test.each([
  ["sent", [state("ann", 4, 8)]],
  ["delivered", [state("ann", 4, 9)]],
  ["read", [state("ann", 5, 8)]],
  // Delivered to all, read by one.
  ["sent", [state("ann", 4, 9), state("bob", 4, 8)]],
  ["read", [state("ann", 5, 9), state("bob", 4, 8)]],
  // The sender has read it, which says nothing.
  ["sent", []],
])("%s", (status, states) => {
  expect(statusOf(sent, conversation(state("me", 5, 9), ...states))).toBe(status);
});

test("readers are the other members who have read the message", () => {
  const readers = readersOf(sent, conversation(state("me", 5, 9), state("ann", 6, 9), state("bob", 4, 9)));
  expect(readers.map(({ user_id }) => user_id)).toEqual(["ann"]);
});
