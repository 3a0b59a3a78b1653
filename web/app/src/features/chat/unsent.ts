// Messages of this tab that the server has not stored yet, or whose event has not arrived.

import type { CommandError, Draft, Message, PendingMessage } from "@blegram/client";
import { skipToken, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { queries } from "../../query";

export interface Unsent {
  draft: Draft;
  /** Why the server rejects it. */
  error?: CommandError | undefined;
  /** It is stored; its event follows. */
  isSent?: boolean;
}

const UNSENT = ["unsent"] as const;
queries.setQueryDefaults(UNSENT, { gcTime: Infinity, staleTime: Infinity });

/** The messages of a conversation that are not sent yet, in order. */
export function useUnsent(conversation: string): Unsent[] {
  const { data } = useQuery<Unsent[]>({ queryKey: UNSENT, queryFn: skipToken });
  return useMemo(
    () => (data ?? []).filter(({ draft }) => draft.conversation_id === conversation),
    [data, conversation],
  );
}

function change(update: (unsent: Unsent[]) => Unsent[]): void {
  queries.setQueryData<Unsent[]>(UNSENT, (unsent = []) => update(unsent));
}

/** The messages that wait, as the gateway reports them; those that are stored were before them. */
export function setPending(pending: PendingMessage[]): void {
  change((unsent) => withPending(unsent, pending));
}

export function withPending(unsent: Unsent[], pending: PendingMessage[]): Unsent[] {
  return [...unsent.filter(({ isSent }) => isSent), ...pending];
}

/** A message was stored: it is shown until its event is there, so that it does not disappear in between. */
export function addSent(draft: Draft, isShown: boolean): void {
  if (!isShown) change((unsent) => withSent(unsent, draft));
}

export function withSent(unsent: Unsent[], draft: Draft): Unsent[] {
  const others = unsent.filter((other) => other.draft.client_id !== draft.client_id);
  const before = others.filter(({ isSent }) => isSent);
  return [...before, { draft, isSent: true }, ...others.filter(({ isSent }) => !isSent)];
}

/** The events of messages are there. */
export function removeSent(messages: readonly Message[]): void {
  const arrived = new Set(messages.map(({ client_id }) => client_id));
  change((unsent) => {
    const rest = unsent.filter(({ isSent, draft }) => !isSent || !arrived.has(draft.client_id));
    return rest.length === unsent.length ? unsent : rest;
  });
}

/** The account is no longer a member of a conversation. */
export function removeSentOf(conversation: string): void {
  change((unsent) => unsent.filter(({ isSent, draft }) => !isSent || draft.conversation_id !== conversation));
}
