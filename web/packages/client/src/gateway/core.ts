// The client's logic as a state machine without I/O: takes inputs with the time of their arrival, and returns outputs that
// the driver executes in order. It has all rules of the gateway for its clients (docs/protocol.md), so they are tested without
// a network. It follows the reference client in Rust (crates/client/src/core).

import { jitter } from "../backoff.js";
import type { AuthCommand } from "../generated/gateway.js";
import {
  advanceLink,
  connected,
  disconnected,
  handshakeFailed,
  linkDue,
  online,
  ready,
  refresh,
  token,
} from "./connecting.js";
import { type Conversation, SECOND } from "./conversation.js";
import type { ConversationChange, Draft, Failure, GatewayEvent, Inputs, Output, Page, ServerFrame } from "./io.js";
import { isFailure, type Request } from "./link.js";
import { isTooLong } from "./outbox.js";
import { reply } from "./replies.js";
import { type Settings, State } from "./state.js";

export type { Settings } from "./state.js";

/** Pages that are loaded at the same time, and conversations that are pulled at the same time. */
const CONCURRENCY = 4;
/** Conversations in a pong, as the server allows. */
const MAX_RECEIVED = 100;
/** Number of events per `history` command. */
const PULL = 100;
/** `typing` is ignored within this time of the last one in the same conversation. */
const TYPING = 3 * SECOND;
/** Waits for further subscriptions. */
const SETTLE = 20;

/** The state machine. */
export class Core implements Inputs {
  readonly #state: State;
  /** The time of the input. */
  #now = 0;

  constructor(settings: Settings) {
    this.#state = new State(settings);
  }

  /** Processes an input at a time, which may be none, and returns the actions to execute. */
  handle(now: number, input: (core: Inputs) => void): Output[] {
    const state = this.#state;
    if (state.isOver) return [];
    this.#now = now;
    input(this);
    if (!state.isOver) this.#advance(now);
    return state.out.splice(0);
  }

  /** When to call `handle` with a tick if there is no other input before. */
  wake(): number | undefined {
    const state = this.#state;
    const due = [state.refreshDue, linkDue(state), state.ready ? this.#commandDue() : undefined];
    const canLoad = this.#loading() < CONCURRENCY;
    for (const { pageDue, expected } of state.conversations.values()) {
      due.push(canLoad ? pageDue : undefined, expected?.due);
    }
    return earliest(due);
  }

  /** Removes a message that was not sent; returns whether that was possible. */
  drop(clientId: string): boolean {
    return [...this.#state.conversations.values()].some(({ outbox }) => outbox.drop(clientId));
  }

  token(credential: AuthCommand | Failure): void {
    const valid = token(this.#state, this.#now, credential);
    if (valid) this.#send(this.#now, { op: "auth" }, valid);
  }

  connected(): void {
    connected(this.#state, this.#now);
  }

  failed(failure: Failure): void {
    handshakeFailed(this.#state, this.#now, failure);
  }

  closed(code: number | undefined, reason: string): void {
    disconnected(this.#state, this.#now, code, reason);
  }

  online(): void {
    online(this.#state, this.#now);
  }

  follow(id: string): void {
    this.#state.follow(this.#now, id);
  }

  open(conversations: string[]): void {
    this.#state.open = conversations;
    this.#subscribed();
  }

  watch(users: string[]): void {
    this.#state.watched = users;
    this.#subscribed();
  }

  subscribe(topics: string[]): void {
    for (const topic of topics) this.#state.topics.add(topic);
    this.#subscribed();
  }

  unsubscribe(topics: string[]): void {
    const state = this.#state;
    for (const topic of topics) state.topics.delete(topic);
    if (state.ready) state.waiting.push({ request: { op: "unsubscribe" }, d: { topics } });
  }

  /** A sync sets all subscriptions: those that a page makes when it opens, in one command. */
  #subscribed(): void {
    if (this.#state.ready) this.#state.syncDue ??= this.#now + SETTLE;
  }

  read(id: string, messageNo: number): void {
    this.#state.follow(this.#now, id).read(messageNo);
  }

  command(ticket: number, op: string, d: object): void {
    this.#state.waiting.push({ request: { op, ticket }, d });
  }

  stop(): void {
    this.#state.stop("stopped");
  }

  /** Executes everything that is due. */
  #advance(now: number): void {
    const state = this.#state;
    let free = CONCURRENCY - this.#loading();
    for (const [id, conversation] of state.conversations) {
      conversation.checkExpected(now);
      if (conversation.pageDue === undefined || conversation.pageDue > now || free <= 0) continue;
      free--;
      conversation.pageDue = undefined;
      conversation.isLoading = true;
      state.out.push({ type: "load", conversation: id, after: conversation.timeline.newest });
    }
    advanceLink(state, now);
    if (state.ready && !state.isOver) this.#advanceCommands(now);
  }

  #loading(): number {
    return [...this.#state.conversations.values()].filter(({ isLoading }) => isLoading).length;
  }

  send(draft: Draft): void {
    const state = this.#state;
    if (isTooLong(draft)) {
      state.notSent(draft, { code: "body-too-large", detail: "at most 8 KiB" });
    } else {
      state.follow(this.#now, draft.conversation_id).outbox.push(draft);
    }
  }

  /** Is sent at once or not at all, and has no reply unless it is rejected. */
  typing(id: string): void {
    const now = this.#now;
    const { ready: connection, typingDue, out, pace } = this.#state;
    if (!connection || (typingDue.get(id) ?? 0) > now || this.#maySendAt() > now) return;
    typingDue.set(id, now + TYPING);
    pace.take(now);
    out.push({ type: "send", frame: { id: connection.nextId(), op: "typing", d: { conversation_id: id } } });
  }

  page(id: string, page: Page | Failure): void {
    const now = this.#now;
    const state = this.#state;
    const conversation = state.conversations.get(id);
    if (!conversation) return;
    conversation.isLoading = false;
    if (!isFailure(page)) {
      conversation.pageFailures = 0;
      const known = conversation.timeline.load(page);
      state.update("loaded", { ...page, conversation_id: id, known });
    } else if (page.kind === "not-found") {
      state.leave(id);
    } else if (page.kind === "fatal") {
      state.stop(`no messages: ${page.detail}`);
    } else if (page.kind === "unauthorized") {
      conversation.pageDue = now + SECOND;
      refresh(state);
    } else {
      conversation.pageFailures++;
      const wait = (page.retryAfterMs ?? 0) + jitter(conversation.pageFailures, state.settings.random);
      conversation.pageDue = now + wait;
      state.warn(`no messages: ${page.detail}`);
    }
  }

  frame(frame: ServerFrame): void {
    const now = this.#now;
    const state = this.#state;
    const { connection } = state;
    // Any frame shows that the server is alive.
    if (connection) connection.lastFrameAt = now;
    if (frame.re !== undefined) return reply(state, now, frame.re, frame);
    if (frame.ping !== undefined) {
      const recv: Record<string, number> = {};
      for (const [id, { timeline }] of [...state.conversations].slice(-MAX_RECEIVED)) {
        if (timeline.cursor !== undefined) recv[id] = timeline.cursor;
      }
      state.out.push({ type: "send", frame: { pong: frame.ping, recv } });
    } else if (frame.ev !== undefined && frame.d) {
      // Any event with a `seq` is one of a conversation, even if its name is unknown.
      if (typeof frame.d["seq"] === "number") state.apply(frame as unknown as ConversationChange);
      else this.#event(now, frame as unknown as GatewayEvent);
    }
  }

  #event(now: number, event: GatewayEvent): void {
    const state = this.#state;
    switch (event.ev) {
      case "ready":
        return ready(state, now, event.d);
      case "auth.expiring":
        return refresh(state);
      case "reconnect":
        state.reconnectAt = now + event.d.after_ms;
        return;
      case "conversation.head":
        state.raiseHead(now, event.d.conversation_id, event.d.last_seq);
        break;
      case "conversation.added":
        this.#added(now, event.d.conversation.id);
        break;
      case "conversation.removed":
        state.checkMembership(event.d.conversation_id);
        break;
    }
    state.update("event", event);
  }

  /** This account was added to a conversation, perhaps again. */
  #added(now: number, id: string): void {
    const state = this.#state;
    const conversation = state.conversations.get(id);
    if (conversation) {
      conversation.mustPull = true;
      conversation.wasAdded = true;
    } else if (state.settings.followAll) {
      state.follow(now, id);
    }
  }

  // Commands: which one is sent next, at the rate that the server allows.

  #commandDue(): number | undefined {
    const { conversations, waiting, syncDue } = this.#state;
    const due = [syncDue, waiting.length > 0 ? 0 : undefined];
    for (const [id, conversation] of conversations) due.push(this.#conversationDue(id, conversation));
    const first = earliest(due);
    return first === undefined ? undefined : Math.max(first, this.#maySendAt());
  }

  #maySendAt(): number {
    return Math.max(this.#state.pausedUntil, this.#state.pace.due);
  }

  #conversationDue(id: string, { pullDue, outbox, reportDue }: Conversation): number | undefined {
    return earliest([pullDue !== undefined && this.#canPull(id) ? pullDue : undefined, outbox.due, reportDue]);
  }

  /** One pull per conversation, and a few in all: the server runs the commands of a connection one by one. */
  #canPull(id: string): boolean {
    let pulls = 0;
    for (const request of this.#state.connection?.pending() ?? []) {
      if (request.op !== "history" || !("conversation" in request)) continue;
      if (request.conversation === id) return false;
      pulls++;
    }
    return pulls < CONCURRENCY;
  }

  #advanceCommands(now: number): void {
    const { pace } = this.#state;
    while (this.#maySendAt() <= now) {
      const next = this.#nextCommand(now);
      if (!next) return;
      pace.take(now);
      this.#send(now, next.request, next.d);
    }
  }

  #nextCommand(now: number): { request: Request; d: object } | undefined {
    const state = this.#state;
    if (state.syncDue !== undefined && state.syncDue <= now) {
      state.syncDue = undefined;
      const { syncCursor: since, open, topics, watched: presence } = state;
      return { request: { op: "sync" }, d: { ...(since && { since }), open, topics: [...topics], presence } };
    }
    const waiting = state.waiting.shift();
    if (waiting) return waiting;
    const ids = [...state.conversations.keys()];
    const turn = ids.indexOf(state.lastTurn ?? "") + 1;
    for (const id of [...ids.slice(turn), ...ids.slice(0, turn)]) {
      const conversation = state.conversations.get(id) as Conversation;
      const due = this.#conversationDue(id, conversation);
      if (due === undefined || due > now) continue;
      state.lastTurn = id;
      return this.#conversationCommand(now, id, conversation);
    }
    return undefined;
  }

  #conversationCommand(now: number, id: string, conversation: Conversation): { request: Request; d: object } {
    if (conversation.pullDue !== undefined && conversation.pullDue <= now && this.#canPull(id)) {
      conversation.mustPull = false;
      conversation.wasAdded = false;
      const after = conversation.timeline.cursor;
      return { request: { op: "history", conversation: id }, d: { conversation_id: id, after, limit: PULL } };
    }
    const draft = conversation.outbox.send(now);
    if (draft) return { request: { op: "message.send", conversation: id }, d: draft };
    const message_no = conversation.report(now);
    return { request: { op: "read", conversation: id }, d: { conversation_id: id, message_no } };
  }

  #send(now: number, request: Request, d: object): void {
    const { connection, out } = this.#state;
    if (connection) out.push({ type: "send", frame: { id: connection.register(now, request), op: request.op, d } });
  }
}

function earliest(times: (number | undefined)[]): number | undefined {
  let first: number | undefined;
  for (const time of times) if (time !== undefined && (first === undefined || time < first)) first = time;
  return first;
}
