// The state of the core, and what all its parts do with it.

import { Backoff } from "../backoff.js";
import type { CommandError } from "../generated/gateway.js";
import { Conversation } from "./conversation.js";
import type { ConversationChange, Draft, Output, Update } from "./io.js";
import type { Connection, Link, Request } from "./link.js";
import { Pace } from "./pace.js";

/** Parameters of the client. */
export interface Settings {
  /** The account of the credential. */
  me: string;
  /** Follow every conversation of the account, including those that it is added to later. */
  followAll: boolean;
  random: () => number;
}

/** Times are milliseconds of the driver's clock. */
export class State {
  readonly conversations = new Map<string, Conversation>();
  /** The conversation that was served last, so that each has its turn. */
  lastTurn: string | undefined;
  open: string[] = [];
  readonly topics = new Set<string>();
  watched: string[] = [];
  /** Other commands that wait for the connection. */
  readonly waiting: { request: Request; d: object }[] = [];
  readonly backoff: Backoff;
  pace = new Pace(5, 20);
  link: Link = { state: "waiting", due: 0 };
  /** When to get a new credential by the own clock, in case `auth.expiring` does not arrive. */
  refreshDue: number | undefined;
  isRefreshing = false;
  /** When to reconnect, as the server requested. */
  reconnectAt = Infinity;
  /** Not to connect before this time, as the server requested. */
  notConnectBefore = 0;
  /** When to send `sync` on this connection. */
  syncDue: number | undefined;
  syncCursor: string | undefined;
  /** Send no command before this time (rate limit). */
  pausedUntil = 0;
  isOver = false;
  /** When `typing` may be sent again, by conversation. */
  readonly typingDue = new Map<string, number>();
  out: Output[] = [];

  constructor(readonly settings: Settings) {
    this.backoff = new Backoff(settings.random);
  }

  get connection(): Connection | undefined {
    return this.link.state === "open" ? this.link.connection : undefined;
  }

  /** The connection after its `ready`. */
  get ready(): Connection | undefined {
    return this.connection?.isReady ? this.connection : undefined;
  }

  update<Name extends Update["name"]>(name: Name, data: Extract<Update, { name: Name }>["data"]): void {
    this.out.push({ type: "update", update: { name, data } as Update });
  }

  warn(detail: string): void {
    this.update("warning", { detail });
  }

  follow(now: number, id: string): Conversation {
    const found = this.conversations.get(id) ?? new Conversation(now);
    this.conversations.set(id, found);
    return found;
  }

  /** Applies an event, delivered or pulled. A gap before it leads to a pull, because its number raises the known head. */
  apply(change: ConversationChange): void {
    const conversation = this.conversations.get(change.d.conversation_id);
    if (conversation?.timeline.apply(change)) this.update("change", change);
  }

  /** Learns the latest `seq` of a conversation. One that is not followed is followed if all are. */
  raiseHead(now: number, id: string, lastSeq: number): void {
    if (this.settings.followAll) this.follow(now, id);
    this.conversations.get(id)?.timeline.raiseHead(lastSeq);
  }

  /** Pulls to learn whether this account is still a member: it may have joined again meanwhile. */
  checkMembership(id: string): void {
    const conversation = this.conversations.get(id);
    if (conversation) conversation.mustPull = true;
  }

  /** Drops a conversation that this account is not a member of. */
  leave(id: string): void {
    const conversation = this.conversations.get(id);
    if (!conversation) return;
    this.conversations.delete(id);
    for (const draft of conversation.outbox.drafts) {
      this.notSent(draft, { code: "not-found", detail: "not a member" });
    }
    this.update("left", { conversation_id: id });
  }

  notSent(draft: Draft, error: CommandError): void {
    this.update("failed", { draft, error });
  }

  /** No reply to a command in flight will arrive. */
  loseReplies(): void {
    for (const request of this.connection?.pending() ?? []) this.lose(request);
    for (const conversation of this.conversations.values()) conversation.disconnect();
    this.syncDue = undefined;
    this.pausedUntil = 0;
  }

  stop(reason: string, sessionEnded = false, code?: number): void {
    this.loseReplies();
    this.isOver = true;
    for (const { request } of this.waiting.splice(0)) this.lose(request);
    this.out.push({ type: "close" });
    this.update("stopped", { reason, sessionEnded, code });
  }

  private lose(request: Request): void {
    if ("ticket" in request) this.out.push({ type: "reply", ticket: request.ticket, result: null });
  }
}
