// Connecting, the end of a connection, and the credential that it needs.

import type { AuthCommand, ReadyEvent } from "../generated/gateway.js";
import { SECOND } from "./conversation.js";
import type { Failure } from "./io.js";
import { Connection, isFailure, isFinal, reconnectDelay, STABLE } from "./link.js";
import { Pace } from "./pace.js";
import type { State } from "./state.js";

/** When the connection needs attention; `undefined` if something else must happen before. */
export function linkDue({ link, reconnectAt }: State): number | undefined {
  if (link.state === "waiting") return link.due;
  if (link.state === "open") return Math.min(link.connection.deadAt, reconnectAt);
  return undefined;
}

export function advanceLink(state: State, now: number): void {
  if (state.refreshDue !== undefined && state.refreshDue <= now) refresh(state);
  const { connection } = state;
  if (connection) {
    const isDead = connection.deadAt <= now;
    if (isDead || state.reconnectAt <= now) {
      state.out.push({ type: "close" });
      disconnected(state, now, undefined, isDead ? "no response" : "reconnect");
    }
  }
  if (state.link.state === "waiting" && state.link.due <= now && !state.isOver) connect(state, false);
}

function connect(state: State, again: boolean): void {
  state.link = { state: "connecting", again };
  state.out.push({ type: "connect" });
}

export function connected(state: State, now: number): void {
  state.link = { state: "open", connection: new Connection(now) };
}

/** The first frame. From here on, no event can fall between the reply to `sync` and the delivered events. */
export function ready(state: State, now: number, event: ReadyEvent): void {
  const { connection } = state;
  if (!connection) return;
  if (event.user_id !== state.settings.me) {
    state.stop("another account", true);
    return;
  }
  connection.isReady = true;
  connection.silenceLimit = event.heartbeat_ms * 1.5 + 10 * SECOND;
  state.pace = new Pace(event.limits.commands_per_second, event.limits.command_burst);
  state.syncDue = now;
  scheduleRefresh(state, now, event.auth_expires_in_ms);
  state.update("connected", event);
}

/** A minute before the credential expires, in case `auth.expiring` does not arrive. */
export function scheduleRefresh(state: State, now: number, expiresInMs: number): void {
  const early = Math.min(60 * SECOND, expiresInMs / 5);
  state.refreshDue = now + Math.max(expiresInMs - early, SECOND);
}

export function handshakeFailed(state: State, now: number, failure: Failure): void {
  const again = state.link.state === "connecting" && state.link.again;
  const { kind, detail, retryAfterMs = 0 } = failure;
  if (kind === "unauthorized") {
    state.link = { state: "needsToken", due: now + (again ? state.backoff.next() : 0) };
    refresh(state);
  } else if (kind === "temporary") {
    state.notConnectBefore = now + retryAfterMs;
    wait(state, now, state.backoff.next(retryAfterMs), detail);
  } else {
    state.stop(`connection rejected: ${detail}`);
  }
}

/** Reconnects, or stops after a close code that says that reconnecting would not help. */
export function disconnected(state: State, now: number, code: number | undefined, reason: string): void {
  const { connection } = state;
  if (connection && connection.since + STABLE <= now) state.backoff.reset();
  state.loseReplies();
  state.refreshDue = undefined;
  const requested = state.reconnectAt < Infinity ? Math.max(0, state.reconnectAt - now) : undefined;
  state.reconnectAt = Infinity;
  const hint = requested ?? reconnectDelay(code, reason);
  if (isFinal(code)) {
    state.stop(`connection closed: ${reason} (${code})`, code === 4500, code);
  } else if (code === 4001) {
    state.link = { state: "needsToken", due: now };
    state.update("disconnected", { reason, retry_in_ms: 0 });
    refresh(state);
  } else {
    state.notConnectBefore = now + (hint ?? 0);
    wait(state, now, hint ?? state.backoff.next(), reason);
  }
}

function wait(state: State, now: number, retryInMs: number, reason: string): void {
  state.link = { state: "waiting", due: now + retryInMs };
  state.update("disconnected", { reason, retry_in_ms: retryInMs });
}

/** What failed before says nothing about the network of now. */
export function online(state: State, now: number): void {
  state.backoff.reset();
  const { link } = state;
  if (link.state === "waiting") link.due = Math.min(link.due, Math.max(state.notConnectBefore, now));
}

/** Requests a new credential, unless a request is in flight: a refresh token is valid for one use. */
export function refresh(state: State): void {
  state.refreshDue = undefined;
  if (state.isRefreshing) return;
  state.isRefreshing = true;
  state.out.push({ type: "refresh" });
}

/** Sends a new credential to the open connection in band. The next handshake uses it, too. */
export function token(state: State, now: number, credential: AuthCommand | Failure): AuthCommand | undefined {
  state.isRefreshing = false;
  if (!isFailure(credential)) {
    const { link } = state;
    if (link.state === "needsToken") {
      if (link.due <= now) connect(state, true);
      else state.link = { state: "waiting", due: link.due };
    }
    return state.ready ? credential : undefined;
  }
  const { kind, detail, retryAfterMs } = credential;
  if (kind === "temporary") {
    state.refreshDue = now + state.backoff.next(retryAfterMs);
    state.warn(`no new login: ${detail}`);
  } else if (kind === "fatal") {
    state.stop(`no new login: ${detail}`);
  } else {
    state.stop("the session has ended", true);
  }
  return undefined;
}
