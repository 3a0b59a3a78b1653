// What changes messages and conversations.

import type { Conversation, Message } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { queries } from "../../query";
import { blegram } from "../../site";
import { toastError } from "../../ui/toast";
import { reloadUnread } from "../notifications/unread";
import { changeConversation, changeLastMessage, changeThread, putFirst, removeConversation } from "./cache";
import { changeMessage } from "./thread";

function show(message: Message): void {
  changeThread(message.conversation_id, (thread) => changeMessage(thread, message));
  changeLastMessage(message);
}

/** Changes the text of a message. */
export function useEditMessage() {
  return useMutation({
    mutationFn: ({ message, text }: { message: Message; text: string }) =>
      blegram.conversations.editMessage(message.conversation_id, message.id, { text }),
    onMutate: ({ message, text }) => show({ ...message, text, edited_at: message.edited_at ?? message.created_at }),
    onSuccess: show,
    onError: (error, { message }) => {
      show(message);
      toastError(error);
    },
  });
}

/** Unsends a message. */
export function useUnsend() {
  return useMutation({
    mutationFn: (message: Message) => blegram.conversations.deleteMessage(message.conversation_id, message.id),
    onMutate: (message) => show({ ...message, text: null, media: [], is_deleted: true }),
    onError: (error, message) => {
      show(message);
      toastError(error);
    },
  });
}

/** Mutes a conversation, or not. */
export function useMute(id: string) {
  const set = (is_muted: boolean) => changeConversation(id, (conversation) => ({ ...conversation, is_muted }));
  return useMutation({
    mutationFn: (isMuted: boolean) => (isMuted ? blegram.conversations.mute(id) : blegram.conversations.unmute(id)),
    onMutate: set,
    onSuccess: ({ is_muted }) => {
      set(is_muted);
      void reloadUnread();
    },
    onError: (error, isMuted) => {
      set(!isMuted);
      toastError(error);
    },
  });
}

/** Starts a conversation, or finds the direct one with a user, and opens it. */
export function useStartConversation() {
  const navigate = useNavigate();
  return useMutation({
    mutationFn: (body: { members: string[]; title?: string | null }) => blegram.conversations.create(body),
    onSuccess: (conversation) => {
      setConversation(conversation);
      // A direct one is listed with its first message.
      if (conversation.kind !== "direct" || conversation.last_message) putFirst(conversation);
      return navigate(`/messages/${conversation.id}`);
    },
    onError: toastError,
  });
}

/** Changes the title of a group. */
export function useRename(id: string) {
  return useMutation({
    mutationFn: (title: string | null) => blegram.conversations.update(id, { title }),
    onSuccess: setConversation,
    onError: toastError,
  });
}

/** Adds members to a group. */
export function useAddMembers(id: string) {
  return useMutation({
    mutationFn: (members: string[]) => blegram.conversations.addMembers(id, { members }),
    onSuccess: setConversation,
    onError: toastError,
  });
}

/** Removes a member from a group. */
export function useRemoveMember(id: string) {
  return useMutation({
    mutationFn: (user: string) => blegram.conversations.removeMember(id, user),
    onSuccess: (_, user) =>
      changeConversation(id, (conversation) => ({
        ...conversation,
        members: conversation.members.filter((member) => member.id !== user),
        read_states: conversation.read_states.filter(({ user_id }) => user_id !== user),
      })),
    onError: toastError,
  });
}

/** Leaves a group, or hides a direct conversation. */
export function useLeave(id: string) {
  const navigate = useNavigate();
  return useMutation({
    mutationFn: () => blegram.conversations.removeMember(id, "me"),
    onSuccess: async () => {
      await navigate("/messages", { replace: true });
      removeConversation(id);
    },
    onError: toastError,
  });
}

function setConversation(conversation: Conversation): void {
  queries.setQueryData(["conversation", conversation.id], conversation);
  changeConversation(conversation.id, () => conversation);
}
