// What the events of conversations change.

import type { Account, Conversation, ConversationEventBody, ReadState } from "@blegram/client";
import { queries } from "../../query";
import { changeUnread, reloadUnread } from "../notifications/unread";
import type { Listen } from "../realtime/realtime";
import {
  CONVERSATIONS,
  changeConversation,
  changeLastMessage,
  changeThread,
  findConversation,
  findThread,
  moveToTop,
  putFirst,
  removeConversation,
} from "./cache";
import { Positions, unread } from "./positions";
import { setPresence } from "./presence";
import { addMessage, changeMessage, startThread } from "./thread";
import { noteTyping, stopTyping } from "./typing";
import { addSent, removeSent, removeSentOf, setPending } from "./unsent";

export const listenToChat: Listen = (gateway, me) => {
  const positions = new Positions();

  /** Learns how far a conversation is, or was read, and counts what is unread. */
  function advance(id: string, position: { last?: number; read?: number }): void {
    const more = positions.advance(id, position);
    changeConversation(id, (conversation) => withPosition(conversation, position));
    if (more === 0) return;
    const conversation = findConversation(id);
    if (more === undefined || !conversation) void reloadUnread();
    else if (!conversation.is_muted) changeUnread((counts) => ({ ...counts, messages: counts.messages + more }));
  }

  gateway.on("synced", ({ heads, removed, unread: messages, more }) => {
    let isStale = removed.length > 0;
    for (const { conversation_id: id, last_seq, last_message_no: last, read_no: read } of heads) {
      positions.advance(id, { last, read });
      isStale ||= (findConversation(id)?.last_seq ?? -1) < last_seq;
      changeConversation(id, (conversation) => withPosition(conversation, { last, read }));
    }
    if (!more) changeUnread((counts) => ({ ...counts, messages }));
    // What was added, left or renamed meanwhile is seen in a new list only.
    if (isStale) void queries.invalidateQueries({ queryKey: CONVERSATIONS });
  });

  // Messages.

  gateway.on("pending", setPending);
  gateway.on("sent", ({ draft }) => {
    const messages = findThread(draft.conversation_id)?.messages ?? [];
    addSent(
      draft,
      messages.some(({ client_id }) => client_id === draft.client_id),
    );
  });
  gateway.on("loaded", ({ conversation_id: id, messages }) => {
    changeThread(id, () => startThread(messages), startThread(messages));
    removeSent(messages);
    const last = messages.at(-1);
    if (last) changeConversation(id, (conversation) => withLast(conversation, last));
  });
  gateway.on("change", ({ ev, d }) => {
    const { conversation_id: id, message } = d;
    changeConversation(id, (conversation) => ({ ...conversation, last_seq: Math.max(conversation.last_seq, d.seq) }));
    if (ev === "message.created" && message) {
      const isMine = message.sender?.id === me.id;
      changeThread(id, (thread) => addMessage(thread, message));
      changeConversation(id, (conversation) => withLast(conversation, message));
      advance(id, { last: message.message_no, ...(isMine && { read: message.message_no }) });
      moveToTop(id);
      if (isMine) removeSent([message]);
      if (message.sender) stopTyping(id, message.sender.id);
    } else if ((ev === "message.edited" || ev === "message.deleted") && message) {
      changeThread(id, (thread) => changeMessage(thread, message));
      changeLastMessage(message);
    } else if (ev === "member.joined" || ev === "member.left" || ev === "conversation.updated") {
      changeConversation(id, (conversation) => withMembership(conversation, ev, d, me));
    }
  });

  // Conversations.

  gateway.on("conversation.added", ({ conversation }) => {
    queries.setQueryData(["conversation", conversation.id], conversation);
    putFirst(conversation);
    advance(conversation.id, { last: conversation.last_message_no, read: conversation.read_no });
  });
  const remove = (id: string) => {
    removeConversation(id);
    removeSentOf(id);
    void reloadUnread();
  };
  gateway.on("conversation.removed", ({ conversation_id }) => remove(conversation_id));
  gateway.on("left", ({ conversation_id }) => remove(conversation_id));

  gateway.on("conversation.read", ({ conversation_id: id, user_id, read_no }) => {
    changeConversation(id, (conversation) => withReadState(conversation, user_id, { read_no }));
    if (user_id === me.id) advance(id, { read: read_no });
  });
  gateway.on("conversation.delivered", ({ conversation_id: id, user_id, delivered_seq }) => {
    changeConversation(id, (conversation) => withReadState(conversation, user_id, { delivered_seq }));
  });

  gateway.on("typing", ({ conversation_id, user_id }) => noteTyping(conversation_id, user_id));
  gateway.on("presence", setPresence);
};

/** Positions never move back. */
function withPosition(conversation: Conversation, { last = 0, read = 0 }: { last?: number; read?: number }) {
  const last_message_no = Math.max(conversation.last_message_no, last);
  const read_no = Math.max(conversation.read_no, read);
  return { ...conversation, last_message_no, read_no, unread_count: unread({ last: last_message_no, read: read_no }) };
}

function withLast(conversation: Conversation, message: NonNullable<Conversation["last_message"]>): Conversation {
  if (message.message_no < (conversation.last_message?.message_no ?? 0)) return conversation;
  return { ...conversation, last_message: message };
}

function withReadState(conversation: Conversation, user: string, mark: Partial<ReadState>): Conversation {
  const { read_no = 0, delivered_seq = 0 } = mark;
  return {
    ...conversation,
    read_states: conversation.read_states.map((state) =>
      state.user_id === user
        ? {
            ...state,
            read_no: Math.max(state.read_no, read_no),
            delivered_seq: Math.max(state.delivered_seq, delivered_seq),
          }
        : state,
    ),
  };
}

function withMembership(
  conversation: Conversation,
  ev: "member.joined" | "member.left" | "conversation.updated",
  { user, title, owner_id, seq }: ConversationEventBody,
  me: Account,
): Conversation {
  const { members, read_states } = conversation;
  if (ev === "conversation.updated")
    return { ...conversation, title: title ?? null, owner_id: owner_id ?? conversation.owner_id };
  if (!user || user.id === me.id) return conversation;
  const others = members.filter(({ id }) => id !== user.id);
  const states = read_states.filter(({ user_id }) => user_id !== user.id);
  if (ev === "member.left") return { ...conversation, members: others, read_states: states };
  // New members see what comes after they join.
  const state = { user_id: user.id, read_no: conversation.last_message_no, delivered_seq: seq };
  return { ...conversation, members: [...others, user], read_states: [...states, state] };
}
