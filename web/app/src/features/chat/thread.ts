// The messages of a conversation that are known: without gaps up to the newest one, oldest first. Pure functions, so that each
// order in which pages and events can arrive is tested.

import type { Message, MessagePage } from "@blegram/client";

export interface Thread {
  messages: readonly Message[];
  /** The cursor of the messages before the first one; `undefined` until a page of them was read. */
  older: string | undefined;
  /** The first message is the first one that the user may see. */
  isWhole: boolean;
  /**
   * Messages that were edited or deleted, and that are older than the first one: a page that is on its way may show what they
   * were before.
   */
  changed: Readonly<Record<string, Message>>;
}

/** A thread of the latest messages, oldest first. What was known before may be out of date. */
export function startThread(messages: readonly Message[]): Thread {
  return { messages, older: undefined, isWhole: (messages[0]?.message_no ?? 1) === 1, changed: {} };
}

/** Adds a message that was sent. */
export function addMessage(thread: Thread, message: Message): Thread {
  const last = thread.messages.at(-1)?.message_no ?? 0;
  if (message.message_no <= last) return changeMessage(thread, message);
  return { ...thread, messages: [...thread.messages, message] };
}

/** Replaces a message by its new state. */
export function changeMessage(thread: Thread, message: Message): Thread {
  const at = thread.messages.findLastIndex(({ id }) => id === message.id);
  if (at >= 0) return { ...thread, messages: thread.messages.with(at, message) };
  if (thread.isWhole) return thread;
  return { ...thread, changed: { ...thread.changed, [message.id]: message } };
}

/** Adds a page of older messages, newest first. */
export function addOlder(thread: Thread, { items, next_cursor }: Pick<MessagePage, "items" | "next_cursor">): Thread {
  const first = thread.messages[0]?.message_no ?? Number.POSITIVE_INFINITY;
  const older = items.filter(({ message_no }) => message_no < first);
  const isAdjacent = older.length === 0 || older[0]?.message_no === first - 1 || first === Number.POSITIVE_INFINITY;
  // The thread was started again meanwhile, with newer messages.
  if (!isAdjacent) return thread;
  const current = older.map((message) => newest(message, thread.changed[message.id]));
  return {
    messages: [...current.reverse(), ...thread.messages],
    older: next_cursor ?? undefined,
    isWhole: next_cursor === null,
    changed: next_cursor === null ? {} : thread.changed,
  };
}

/** Of two states of a message, the later one: a deletion is final. */
function newest(one: Message, other: Message | undefined): Message {
  if (!other || one.is_deleted) return one;
  if (other.is_deleted) return other;
  return (other.edited_at ?? "") > (one.edited_at ?? "") ? other : one;
}

/** Forgets all but the latest messages. */
export function trimThread(thread: Thread, length: number): Thread {
  return thread.messages.length > length ? startThread(thread.messages.slice(-length)) : thread;
}
