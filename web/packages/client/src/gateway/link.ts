// The state of the connection, and the commands on it that have no reply yet.

import type { Failure } from "./io.js";

/** A connection that lasted this long counts as stable and resets the backoff. */
export const STABLE = 60_000;
/** Timeout for the first frame and for replies. */
const TIMEOUT = 30_000;

/** The kind of a command, with what its reply belongs to. */
export type Request =
  | { op: "sync" | "auth" | "unsubscribe" }
  | { op: "history" | "message.send" | "read"; conversation: string }
  /** A command of the application. */
  | { op: string; ticket: number };

/** An open connection. */
export class Connection {
  isReady = false;
  lastFrameAt: number;
  /** The connection is dead after this time without a frame. */
  silenceLimit = TIMEOUT;
  #lastId = 0;
  /** Commands without a reply, by id, with the time when they were sent. */
  readonly #requests = new Map<number, { request: Request; since: number }>();

  constructor(readonly since: number) {
    this.lastFrameAt = since;
  }

  nextId(): number {
    return ++this.#lastId;
  }

  /** Registers a command and returns its id. */
  register(now: number, request: Request): number {
    const id = this.nextId();
    this.#requests.set(id, { request, since: now });
    return id;
  }

  /** The command that a reply with this id belongs to. */
  complete(id: number): Request | undefined {
    const found = this.#requests.get(id);
    this.#requests.delete(id);
    return found?.request;
  }

  /** The commands without a reply. */
  *pending(): Generator<Request> {
    for (const { request } of this.#requests.values()) yield request;
  }

  /** When the connection counts as dead: after too long without a frame, or without the reply to a command. */
  get deadAt(): number {
    const silent = this.lastFrameAt + this.silenceLimit;
    for (const { since } of this.#requests.values()) return Math.min(silent, since + TIMEOUT);
    return silent;
  }
}

/** The state of the connection. */
export type Link =
  /** To be opened at this time. */
  | { state: "waiting"; due: number }
  /** To be opened at this time, once there is a new credential. */
  | { state: "needsToken"; due: number }
  /** The handshake is in progress. `again`: it is a retry after a 401. */
  | { state: "connecting"; again: boolean }
  | { state: "open"; connection: Connection };

/** What the end of a connection means for the next one. */
export function isFinal(code = 0): boolean {
  // After a protocol error, the same frame would be sent again.
  return [1002, 1007, 1009].includes(code) || (code >= 4500 && code <= 4999);
}

/** The delay in the reason of close code 4000, for a client that did not receive `reconnect`. */
export function reconnectDelay(code: number | undefined, reason: string): number | undefined {
  const delay = /reconnect in (\d+) ms$/.exec(reason)?.[1];
  return code === 4000 && delay !== undefined ? Number(delay) : undefined;
}

export function isFailure(value: object): value is Failure {
  return "kind" in value;
}
