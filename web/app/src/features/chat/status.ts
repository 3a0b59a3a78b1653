import type { Conversation, Message, ReadState } from "@blegram/client";

export type Status = "sent" | "delivered" | "read";

/** The members, except the sender, who have read a message. */
export function readersOf(message: Message, { read_states }: Conversation): ReadState[] {
  return read_states.filter(({ user_id, read_no }) => user_id !== message.sender?.id && read_no >= message.message_no);
}

/** How far a message has come: delivered to a device of every other member, or read by one of them. */
export function statusOf(message: Message, conversation: Conversation): Status {
  const others = conversation.read_states.filter(({ user_id }) => user_id !== message.sender?.id);
  if (readersOf(message, conversation).length > 0) return "read";
  const isDelivered = others.length > 0 && others.every(({ delivered_seq }) => delivered_seq >= message.seq);
  return isDelivered ? "delivered" : "sent";
}
