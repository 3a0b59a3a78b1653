// The inputs of the core and its outputs.

import type {
  AuthCommand,
  CommandError,
  Commands,
  Events,
  MessageSendCommand,
  MessageSentAnswer,
  ReadyEvent,
  Replies,
  SyncAnswer,
} from "../generated/gateway.js";
import type { Message } from "../generated/models.js";

/** A message to send. Its `client_id` stays the same however often it is sent, so the server stores it once. */
export type Draft = MessageSendCommand;

/** The latest messages of a conversation, oldest first, and the `seq` up to which events are reflected in them. */
export interface Page {
  messages: Message[];
  last_seq: number;
}

/** Why something failed: the login, for a while, because it does not exist, or for good. */
export interface Failure {
  kind: "unauthorized" | "temporary" | "not-found" | "fatal";
  detail: string;
  /** Do not retry earlier. */
  retryAfterMs?: number | undefined;
}

/** A frame to the server. */
export type ClientFrame = { id: number; op: string; d: object } | { pong: number; recv: Record<string, number> };

/** A frame from the server; `undefined` fields belong to other kinds of frames. */
export interface ServerFrame {
  re?: number;
  ok?: unknown;
  err?: CommandError;
  ping?: number;
  ev?: string;
  d?: Record<string, unknown>;
}

/** An event of the server. Later versions of the server may send further names. */
export type GatewayEvent = { [Name in keyof Events]: { ev: Name; d: Events[Name] } }[keyof Events];

/** What the core can learn. */
export interface Inputs {
  /** The result of `load`. */
  page(conversation: string, page: Page | Failure): void;
  /** The result of `refresh`. */
  token(credential: AuthCommand | Failure): void;
  connected(): void;
  /** The handshake failed. */
  failed(failure: Failure): void;
  frame(frame: ServerFrame): void;
  /** The connection has ended; `code` is its close code, if there was one. */
  closed(code: number | undefined, reason: string): void;
  /** The device is online again, or the page is visible again. */
  online(): void;
  /** Load the latest messages of a conversation, then report each event once and in order. */
  follow(conversation: string): void;
  /** The conversations on the screen; replaces the previous ones. */
  open(conversations: string[]): void;
  /** The users whose presence to watch; replaces the previous ones. */
  watch(users: string[]): void;
  subscribe(topics: string[]): void;
  unsubscribe(topics: string[]): void;
  /** Send a message, in order and until the server has acknowledged or rejected it. */
  send(draft: Draft): void;
  /** Removes a message that was not sent; returns whether that was possible. */
  drop(clientId: string): boolean;
  read(conversation: string, messageNo: number): void;
  typing(conversation: string): void;
  /** Send another command once; `reply` has the reply. */
  command(ticket: number, op: string, d: object): void;
  stop(): void;
}

export type Output =
  /** Load the latest messages; with a number, all messages after it. */
  | { type: "load"; conversation: string; after: number | undefined }
  /** Get a new credential for `auth`, and for the next connection. */
  | { type: "refresh" }
  | { type: "connect" }
  | { type: "send"; frame: ClientFrame }
  /** Close the connection, without a `disconnected`. */
  | { type: "close" }
  | { type: "update"; update: Update }
  | { type: "reply"; ticket: number; result: CommandResult };

/** The reply to a command of the application; `null` if the connection was lost, so whether it took effect is unknown. */
export type CommandResult = { ok: unknown } | { err: CommandError } | null;

/** What the application learns besides the events of the server. */
export interface Updates {
  /** Connected. While it is `degraded`, some events arrive up to two seconds late. */
  connected: ReadyEvent;
  /** Disconnected for a reason that allows to connect again. */
  disconnected: { reason: string; retry_in_ms: number };
  /**
   * The latest messages of a conversation, oldest first: the start of its events, or a new start after too many were
   * missed. `known` is the number of the newest message that was reported before; earlier ones may have changed.
   */
  loaded: Page & { conversation_id: string; known: number | undefined };
  /** An event of a followed conversation: each once, in the order of `seq`, without gaps. Its own name is emitted, too. */
  change: ConversationChange;
  /** An event that is not one of a followed conversation. Its own name is emitted, too. */
  event: GatewayEvent;
  /** A message was stored. Its event arrives as well. */
  sent: { draft: Draft; sent: MessageSentAnswer };
  /** A message was rejected, and would be rejected again as it is: send it again, or drop it. */
  failed: { draft: Draft; error: CommandError };
  /** The account is not a member of the conversation, or no longer. */
  left: { conversation_id: string };
  /** What changed while the client was not connected. */
  synced: SyncAnswer;
  /** Something was not possible and is retried, or was rejected. */
  warning: { detail: string };
  /** The last update. With `sessionEnded`: log in again. `code` is the close code. */
  stopped: { reason: string; sessionEnded: boolean; code: number | undefined };
}

export type Update = { [Name in keyof Updates]: { name: Name; data: Updates[Name] } }[keyof Updates];

/** A numbered event of a conversation, under a name that the client may not know. */
export interface ConversationChange {
  ev: string;
  d: Events["message.created"];
}

/** The replies to commands that the application sends by itself. */
export type ReplyOf<Op extends keyof Commands> = Op extends keyof Replies ? Replies[Op] : undefined;
