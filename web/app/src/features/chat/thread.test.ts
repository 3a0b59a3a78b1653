import type { Message } from "@blegram/client";
import { describe, expect, test } from "vitest";
import { message, messages } from "./testing";
import { addMessage, addOlder, changeMessage, startThread, type Thread, trimThread } from "./thread";

const numbers = (thread: Thread) => thread.messages.map(({ message_no }) => message_no);
/** A page of older messages: newest first, as the server returns them. */
const page = (from: number, to: number, next_cursor: string | null = "more") => ({
  items: messages(from, to).reverse(),
  next_cursor,
});
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("messages of a conversation", () => {
  test("sent messages are added at the end, each once", () => {
    let thread = startThread(messages(5, 7));
    thread = addMessage(thread, message(8));
    thread = addMessage(thread, message(8));
    expect(numbers(thread)).toEqual([5, 6, 7, 8]);
  });

  test("a thread that starts with the first message is whole", () => {
    expect(startThread([]).isWhole).toBe(true);
    expect(startThread(messages(1, 3)).isWhole).toBe(true);
    expect(startThread(messages(2, 3)).isWhole).toBe(false);
  });

  test("pages of older messages are put before, without those that are known", () => {
    let thread = startThread(messages(100, 119));
    // The first request has no cursor: it returns the latest messages again.
    thread = addOlder(thread, page(70, 120, "a"));
    expect(numbers(thread)).toEqual(range(70, 119));
    expect(thread).toMatchObject({ older: "a", isWhole: false });
    thread = addOlder(thread, page(1, 69, null));
    expect(numbers(thread)).toEqual(range(1, 119));
    expect(thread).toMatchObject({ older: undefined, isWhole: true });
  });

  test("a page with only known messages leads to the next one", () => {
    const thread = addOlder(startThread(messages(100, 300)), page(201, 300, "a"));
    expect(numbers(thread)).toEqual(range(100, 300));
    expect(thread.older).toBe("a");
  });

  test("a page that does not touch the first message is ignored: the thread was started again meanwhile", () => {
    const thread = startThread(messages(500, 519));
    expect(addOlder(thread, page(300, 399))).toBe(thread);
  });

  test("the first message that a member may see can have any number", () => {
    const thread = addOlder(startThread(messages(57, 60)), { items: [], next_cursor: null });
    expect(thread.isWhole).toBe(true);
    expect(numbers(addMessage(startThread([]), message(57)))).toEqual([57]);
  });

  test("edits replace a message at its place", () => {
    const edited = message(6, { text: "edited", edited_at: "2026-01-05T13:00:00Z" });
    const thread = changeMessage(startThread(messages(5, 7)), edited);
    expect(thread.messages[1]).toBe(edited);
    expect(numbers(thread)).toEqual([5, 6, 7]);
  });

  describe("a change of a message that is not there yet wins over a page that was requested before", () => {
    const first = "2026-01-05T13:00:00.1Z";
    const second = "2026-01-05T13:00:00.2Z";
    const after = (event: Message, paged: Message) =>
      addOlder(changeMessage(startThread(messages(5, 7)), event), { items: [paged], next_cursor: "a" }).messages[0];

    test.each([
      ["an edit, and the original", { text: "b", edited_at: first }, {}, "b"],
      ["an edit, and a later one", { text: "b", edited_at: first }, { text: "c", edited_at: second }, "c"],
      ["a deletion, and the original", { text: null, is_deleted: true }, {}, null],
      ["an edit, and a deletion", { text: "b", edited_at: second }, { text: null, is_deleted: true }, null],
    ])("%s", (_, event, paged, text) => {
      expect(after(message(4, event), message(4, paged))?.text).toBe(text);
    });
  });

  test("at rest, only the latest messages stay, and older ones can be read again", () => {
    const thread = addOlder(startThread(messages(100, 119)), page(1, 99, null));
    expect(trimThread(thread, 200)).toBe(thread);
    const trimmed = trimThread(thread, 50);
    expect(numbers(trimmed)).toEqual(range(70, 119));
    expect(trimmed).toMatchObject({ older: undefined, isWhole: false });
  });
});
