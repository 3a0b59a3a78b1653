// Replies to commands.

import { jitter } from "../backoff.js";
import type { CommandError, MessageSentAnswer, SyncAnswer } from "../generated/gateway.js";
import { scheduleRefresh } from "./connecting.js";
import { type Conversation, SECOND } from "./conversation.js";
import type { ConversationChange, ServerFrame } from "./io.js";
import type { Request } from "./link.js";
import type { State } from "./state.js";

const TEMPORARY = ["rate-limited", "unavailable", "internal", "overloaded"];

export function reply(state: State, now: number, id: number, { ok, err }: ServerFrame): void {
  const request = state.connection?.complete(id);
  if (!request) return;
  if ("ticket" in request) {
    state.out.push({ type: "reply", ticket: request.ticket, result: err ? { err } : { ok } });
  } else if (err) {
    rejected(state, now, request, err);
  } else if (request.op === "sync") {
    synced(state, now, ok as SyncAnswer);
  } else if (request.op === "auth") {
    scheduleRefresh(state, now, (ok as { auth_expires_in_ms: number }).auth_expires_in_ms);
  } else if ("conversation" in request) {
    const conversation = state.conversations.get(request.conversation);
    if (conversation && request.op === "history") pulled(state, now, conversation, ok as never);
    if (conversation && request.op === "message.send") sent(state, now, conversation, ok as MessageSentAnswer);
  }
}

function synced(state: State, now: number, answer: SyncAnswer): void {
  for (const { conversation_id, last_seq } of answer.heads) state.raiseHead(now, conversation_id, last_seq);
  for (const id of answer.removed) state.checkMembership(id);
  state.syncCursor = answer.cursor;
  if (answer.more) state.syncDue = now;
  state.update("synced", answer);
  // One path for what is known of other users.
  for (const d of answer.presence) state.update("event", { ev: "presence", d });
}

function pulled(
  state: State,
  now: number,
  conversation: Conversation,
  { events, head_seq, more, reset }: { events: ConversationChange[]; head_seq: number; more: boolean; reset: boolean },
): void {
  const { timeline } = conversation;
  if (reset) {
    timeline.reset();
    conversation.pageDue = now;
    return;
  }
  const before = timeline.cursor;
  for (const event of events) state.apply(event);
  timeline.raiseHead(head_seq);
  conversation.mustPull ||= more;
  // The announced events are not available yet. Pulling again at once would be a busy loop.
  if (timeline.cursor === before) conversation.notPullBefore = now + SECOND;
}

function sent(state: State, now: number, conversation: Conversation, sent: MessageSentAnswer): void {
  conversation.sent(now, sent.seq);
  const draft = conversation.outbox.settle();
  if (draft) state.update("sent", { draft, sent });
}

function rejected(state: State, now: number, request: Exclude<Request, { ticket: number }>, error: CommandError): void {
  const id = "conversation" in request ? request.conversation : "";
  const conversation = state.conversations.get(id);
  const rejections = request.op === "message.send" ? (conversation?.outbox.rejections ?? 0) : 0;
  const again = now + (error.retry_after_ms ?? SECOND + jitter(rejections, state.settings.random));
  if (error.code === "rate-limited") state.pausedUntil = again;
  if (TEMPORARY.includes(error.code)) {
    putOff(state, now, request.op, conversation, again);
  } else if (request.op === "message.send") {
    const draft = conversation?.outbox.settle();
    if (draft) state.notSent(draft, error);
  } else if (request.op === "sync" && state.syncCursor) {
    state.syncCursor = undefined;
    state.syncDue = now;
  } else if (request.op === "history" && error.code === "not-found") {
    if (conversation?.wasAdded) conversation.mustPull = true;
    else state.leave(id);
  } else if (request.op === "sync" || request.op === "history") {
    state.stop(error.detail);
  } else {
    state.warn(`${request.op} was rejected: ${error.detail}`);
  }
}

/** Repeats a command at `again`. */
function putOff(state: State, now: number, op: string, conversation: Conversation | undefined, again: number): void {
  if (op === "sync") state.syncDue = again;
  else if (op === "auth") state.refreshDue = again;
  else if (op === "message.send") conversation?.outbox.putOff(again);
  else if (op === "read") conversation?.reportAgain(Math.max(again, now + SECOND));
  else if (op === "history" && conversation) {
    conversation.mustPull = true;
    conversation.notPullBefore = again;
  }
}
