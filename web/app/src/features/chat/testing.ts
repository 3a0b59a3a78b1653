// Messages for unit tests.

import type { Message, UserSummary } from "@blegram/client";

export const user = (id: string): UserSummary => ({ id, username: id, display_name: id, avatar_url: null });

/** The message of a number, sent a minute after the one before. */
export function message(number: number, more: Partial<Message> = {}): Message {
  return {
    id: `m${String(number).padStart(4, "0")}`,
    conversation_id: "c",
    seq: number,
    message_no: number,
    sender: user("ann"),
    client_id: `client ${number}`,
    text: `text ${number}`,
    media: [],
    reply_to: null,
    created_at: new Date(Date.UTC(2026, 0, 5, 12, number)).toISOString(),
    edited_at: null,
    is_deleted: false,
    ...more,
  };
}

/** The messages from one number to another. */
export const messages = (from: number, to: number): Message[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => message(from + index));
