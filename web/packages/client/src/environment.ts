import { AbortError } from "./problem.js";

// What the client needs of its platform. Everything can be replaced, for React Native, for tests, for other transports.

/** The part of `WebSocket` that the client uses. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** The platform. */
export interface Environment {
  fetch: typeof fetch;
  /** Opens a WebSocket. `accessToken` is for platforms that can send it as a header, instead of the ticket in `protocols`. */
  openSocket(url: string, protocols: string[], accessToken: string | undefined): Socket;
  /** Milliseconds by a clock that never goes back. */
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  /** A random number from 0 to 1. */
  random(): number;
  /** Reports the progress of uploads, which `fetch` cannot. */
  XMLHttpRequest: typeof XMLHttpRequest | undefined;
  /** Stores messages until they are sent. */
  indexedDB: IDBFactory | undefined;
  /** Elects the tab with the connection, and the one that refreshes tokens. */
  locks: LockManager | undefined;
  BroadcastChannel: typeof BroadcastChannel | undefined;
  /** Calls `listener` when the device is online again or the page is visible again; returns how to stop that. */
  onWake(listener: () => void): () => void;
  /** The origin of the page; empty outside of pages. */
  origin: string;
}

const global = globalThis as Partial<typeof globalThis>;

function random(): number {
  const word = global.crypto?.getRandomValues?.(new Uint32Array(1))[0];
  return word === undefined ? Math.random() : word / 2 ** 32;
}

function onWake(listener: () => void): () => void {
  const visible = () => {
    if (document.visibilityState === "visible") listener();
  };
  // React Native has a `window` without events.
  if (typeof global.addEventListener !== "function" || !global.document) return () => {};
  addEventListener("online", listener);
  document.addEventListener("visibilitychange", visible);
  return () => {
    removeEventListener("online", listener);
    document.removeEventListener("visibilitychange", visible);
  };
}

/** The environment of this platform, with replacements. */
export function environment(replaced: Partial<Environment> = {}): Environment {
  return {
    fetch: (input, init) => fetch(input, init),
    openSocket: (url, protocols) => new WebSocket(url, protocols) as Socket,
    now: () => performance.now(),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer as number),
    random,
    XMLHttpRequest: global.XMLHttpRequest,
    indexedDB: global.indexedDB,
    locks: global.navigator?.locks,
    BroadcastChannel: global.BroadcastChannel,
    onWake,
    origin: global.location?.origin ?? "",
    ...replaced,
  };
}

/** A UUID of version 7: ids that are made later sort later. */
export function uuid7(env: Pick<Environment, "random">, unixMs = Date.now()): string {
  const time = unixMs.toString(16).padStart(12, "0");
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(env.random() * 16).toString(16)).join("");
  const variant = (8 + Math.floor(env.random() * 4)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(3)}-${variant}${hex(3)}-${hex(12)}`;
}

/** Waits. */
export function sleep(env: Environment, ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: unknown;
  const end = new Promise<void>((resolve) => {
    timer = env.setTimeout(resolve, ms);
  });
  return abortable(end, signal).finally(() => env.clearTimeout(timer));
}

/** Fails with an {@link AbortError} when `signal` aborts, while what was begun goes on for others. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new AbortError(signal));
  });
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", abort));
}
