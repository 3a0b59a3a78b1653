import { describe, expect, test } from "vitest";
import { rowsOf } from "./rows";
import { message, messages, user } from "./testing";
import type { Unsent } from "./unsent";

const unsent = (client_id: string, more: Partial<Unsent> = {}): Unsent => ({
  draft: { conversation_id: "c", client_id, text: client_id },
  ...more,
});
const rows = (more: Partial<Parameters<typeof rowsOf>[0]>) =>
  rowsOf({ messages: [], unsent: [], me: "me", readNo: 0, ...more });
const mine = (number: number) => message(number, { sender: user("me") });

describe("rows of a conversation", () => {
  test("unsent messages follow the stored ones, in their order", () => {
    const all = rows({ messages: messages(1, 2), unsent: [unsent("b"), unsent("a")] });
    expect(all.map(({ key }) => key)).toEqual(["m0001", "m0002", "b", "a"]);
  });

  test("a message that is stored is not shown a second time as unsent, and has the same key", () => {
    const before = rows({ messages: messages(1, 1), unsent: [unsent("client 2")] });
    const both = rows({ messages: [message(1), mine(2)], unsent: [unsent("client 2")] });
    expect(both.map(({ key, unsent: waiting }) => [key, Boolean(waiting)])).toEqual([
      ["m0001", false],
      ["client 2", false],
    ]);
    expect(before.at(-1)?.key).toBe(both.at(-1)?.key);
  });

  test("another member's message with the same client id does not hide one that waits", () => {
    expect(rows({ messages: [message(1)], unsent: [unsent("client 1")] })).toHaveLength(2);
  });

  test("messages of one sender within minutes are a group", () => {
    const all = rows({ messages: [message(1), message(2), mine(3), mine(4), message(30)] });
    expect(all.map(({ startsGroup }) => startsGroup)).toEqual([true, false, true, false, true]);
    expect(all.map(({ endsGroup }) => endsGroup)).toEqual([false, true, false, true, true]);
  });

  test("a pause of minutes, and a new day, start a group", () => {
    const evening = new Date(2026, 0, 5, 23, 59).toISOString();
    const night = new Date(2026, 0, 6, 0, 1).toISOString();
    const all = rows({ messages: [message(1, { created_at: evening }), message(2, { created_at: night })] });
    expect(all.map(({ startsDay, startsGroup }) => [startsDay, startsGroup])).toEqual([
      [true, true],
      [true, true],
    ]);
    expect(rows({ messages: [message(1), message(7)] })[1]?.startsGroup).toBe(true);
  });

  test("the first unread message is marked, once, and never one of the user", () => {
    const starts = (readNo: number, all = messages(1, 4)) =>
      rows({ messages: all, readNo }).flatMap(({ startsUnread, message: of }) => (startsUnread ? of?.message_no : []));
    expect(starts(2)).toEqual([3]);
    expect(starts(4)).toEqual([]);
    // In a conversation that was never opened, everything is new.
    expect(starts(0)).toEqual([]);
    // The first unread one is further up than what is known.
    expect(starts(2, messages(100, 119))).toEqual([]);
    expect(starts(2, [message(1), message(2), mine(3)])).toEqual([]);
  });

  test("ten thousand messages are no work", () => {
    expect(rows({ messages: messages(1, 10_000), unsent: [unsent("a")] })).toHaveLength(10_001);
  });
});
