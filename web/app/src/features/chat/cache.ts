// Conversations and their messages in the query cache. `["conversations"]` is the list, `["conversation", id]` is one, and
// `["thread", id]` are its messages, which only events and pages of older messages fill.

import type { Conversation, Message } from "@blegram/client";
import { queryOptions, skipToken, useQuery } from "@tanstack/react-query";
import { changeItems, itemsOf, type Loaded, prependItem, queries } from "../../query";
import { blegram } from "../../site";
import { addOlder, type Thread, trimThread } from "./thread";

export const CONVERSATIONS = ["conversations"] as const;
const threadKey = (id: string) => ["thread", id] as const;

// Events keep it current as long as the page is open, whether it is shown or not. It is replaced, never compared.
queries.setQueryDefaults(["thread"], { gcTime: Infinity, staleTime: Infinity, structuralSharing: false });

export const conversationQuery = (id: string) =>
  queryOptions({
    queryKey: ["conversation", id],
    queryFn: ({ signal }) => blegram.conversations.get(id, { signal }),
    // The list has it, too.
    initialData: () => listed().find((conversation) => conversation.id === id),
    initialDataUpdatedAt: () => queries.getQueryState(CONVERSATIONS)?.dataUpdatedAt,
  });

/** A conversation; waits until it is known. */
export const useConversation = (id: string) => useQuery(conversationQuery(id));

function listed(): Conversation[] {
  return itemsOf(queries.getQueryData<Loaded<Conversation>>(CONVERSATIONS));
}

/** A conversation, if it was read before. */
export function findConversation(id: string): Conversation | undefined {
  return (
    queries.getQueryData<Conversation>(["conversation", id]) ?? listed().find((conversation) => conversation.id === id)
  );
}

/** Changes a conversation wherever it is shown. */
export function changeConversation(id: string, change: (conversation: Conversation) => Conversation): void {
  queries.setQueryData<Conversation>(["conversation", id], (conversation) => conversation && change(conversation));
  queries.setQueryData<Loaded<Conversation>>(
    CONVERSATIONS,
    (list) =>
      list && changeItems(list, (conversation) => (conversation.id === id ? change(conversation) : conversation)),
  );
}

/** Puts a conversation at the top of the list. */
export function putFirst(conversation: Conversation): void {
  queries.setQueryData<Loaded<Conversation>>(CONVERSATIONS, (list) => {
    if (!list || list.pages[0]?.items[0] === conversation) return list;
    return prependItem(without(list, conversation.id), conversation);
  });
}

/** Moves a conversation with a new message to the top of the list; one that was not listed is read. */
export function moveToTop(id: string): void {
  const conversation = listed().find((other) => other.id === id);
  if (conversation) return putFirst(conversation);
  if (!queries.getQueryData(CONVERSATIONS)) return;
  queries.fetchQuery({ ...conversationQuery(id), staleTime: 0 }).then(putFirst, () => {
    // The next load of the list has it.
    void queries.invalidateQueries({ queryKey: CONVERSATIONS });
  });
}

/** The account is no longer a member of a conversation, or has hidden it. */
export function removeConversation(id: string): void {
  queries.setQueryData<Loaded<Conversation>>(CONVERSATIONS, (list) => list && without(list, id));
  queries.removeQueries({ queryKey: threadKey(id) });
  void queries.invalidateQueries({ queryKey: ["conversation", id] });
}

function without(list: Loaded<Conversation>, id: string): Loaded<Conversation> {
  return changeItems(list, (conversation) => (conversation.id === id ? undefined : conversation));
}

// Messages.

/** The messages of a conversation that is followed; `undefined` until the gateway has loaded them. */
export function useThread(id: string): Thread | undefined {
  return useQuery<Thread>({ queryKey: threadKey(id), queryFn: skipToken }).data;
}

export const findThread = (id: string) => queries.getQueryData<Thread>(threadKey(id));

/** Changes the messages of a conversation. Without `start`, only if they are known. */
export function changeThread(id: string, change: (thread: Thread) => Thread, start?: Thread): void {
  queries.setQueryData<Thread>(threadKey(id), (thread = start) => thread && change(thread));
}

/** Changes a message, also where it is the last one of its conversation. */
export function changeLastMessage(message: Message): void {
  changeConversation(message.conversation_id, (conversation) =>
    conversation.last_message?.id === message.id ? { ...conversation, last_message: message } : conversation,
  );
}

const PAGE = 100;
const loading = new Map<string, Promise<void>>();

/** Reads the messages before the oldest one that is known. */
export function loadOlder(id: string): Promise<void> {
  const promise = loading.get(id) ?? readOlder(id).finally(() => loading.delete(id));
  loading.set(id, promise);
  return promise;
}

async function readOlder(id: string): Promise<void> {
  for (let thread = findThread(id); thread && !thread.isWhole; ) {
    const query = { limit: PAGE, ...(thread.older && { cursor: thread.older }) };
    const page = await blegram.conversations.listMessages(id, query).page();
    changeThread(id, (current) => addOlder(current, page));
    const next = findThread(id);
    // The first page, which has no cursor, may have only messages that are known.
    if (next === thread || (next && next.messages.length > thread.messages.length)) return;
    thread = next;
  }
}

/**
 * Reads older messages until one of them is there, and returns whether it is. The API has no way to read the messages around
 * one, so those in between are read, too.
 */
export async function readBackTo(id: string, message: string, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    const thread = findThread(id);
    if (thread?.messages.some((known) => known.id === message)) return true;
    // Ids sort by time: the message would be among those that are known.
    if (!thread || thread.isWhole || signal.aborted || (thread.messages[0]?.id ?? "") < message) return false;
    await loadOlder(id);
  }
}

/** What a conversation that is not on the screen has in memory. */
const RESTING = 100;

/** Call it when a conversation is left: a long one does not stay in memory. */
export const restThread = (id: string) => changeThread(id, (thread) => trimThread(thread, RESTING));
