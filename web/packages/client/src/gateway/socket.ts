// The WebSocket to the gateway.

import type { Socket } from "../environment.js";
import type { AuthCommand } from "../generated/gateway.js";
import type { Http } from "../http.js";
import { parseJson } from "../problem.js";
import { failureOf } from "./failure.js";
import type { ClientFrame, Failure, ServerFrame } from "./io.js";

const PROTOCOL = "blegram.v1+json";
/** How long a handshake may take. */
const TIMEOUT = 10_000;

/** What a connection reports. */
export interface TransportHandlers {
  connected(): void;
  failed(failure: Failure): void;
  frame(frame: ServerFrame): void;
  closed(code: number | undefined, reason: string): void;
}

/** A connection that can be opened again: a WebSocket of this tab, or of another one. */
export interface Transport {
  connect(): void;
  send(frame: ClientFrame): void;
  /** Closes the connection, without `closed`. */
  close(): void;
}

/** A WebSocket of this tab. */
export class SocketTransport implements Transport {
  #socket: Socket | undefined;
  /** Counts connections: what an earlier one reports late is ignored. */
  #generation = 0;
  /** The access token of the current connection. */
  #token: string | undefined;

  constructor(
    private readonly http: Http,
    private readonly handlers: TransportHandlers,
  ) {}

  connect(): void {
    const generation = ++this.#generation;
    this.#open(generation).catch((error) => {
      if (generation === this.#generation) this.handlers.failed(failureOf(error));
    });
  }

  async #open(generation: number): Promise<void> {
    const { http, handlers } = this;
    const { env } = http;
    const token = await http.auth.accessToken(http);
    const protocols = [PROTOCOL];
    // Pages cannot set headers of a handshake. A cookie is sent by the browser.
    if (http.auth.client === "native") protocols.push(`blegram.ticket.${await createTicket(http)}`);
    if (generation !== this.#generation) return;
    this.#token = token;
    const url = http.url("/api/v1/gateway").replace(/^http/, "ws");
    const socket = env.openSocket(url, protocols, token);
    this.#socket = socket;
    let isOpen = false;
    const isCurrent = () => generation === this.#generation;
    // Until the first frame. The core watches for later silence.
    const timer = env.setTimeout(() => {
      if (!isCurrent()) return;
      this.close();
      if (isOpen) handlers.closed(undefined, "no response");
      else handlers.failed({ kind: "temporary", detail: "no response" });
    }, TIMEOUT);
    socket.onopen = () => {
      isOpen = true;
      if (isCurrent()) handlers.connected();
    };
    socket.onmessage = ({ data }: { data: unknown }) => {
      env.clearTimeout(timer);
      const frame = parseJson(String(data));
      if (isCurrent() && frame && typeof frame === "object") handlers.frame(frame);
    };
    // `onclose` follows.
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }: { code?: number; reason?: string }) => {
      env.clearTimeout(timer);
      if (!isCurrent()) return;
      this.#generation++;
      this.#socket = undefined;
      // 1005 and 1006 stand for a missing code.
      if (isOpen) handlers.closed(code === 1005 || code === 1006 ? undefined : code, reason || "connection lost");
      else void this.#diagnose();
    };
  }

  /** Browsers hide why a handshake was rejected, so another operation is asked, with the same checks. */
  async #diagnose(): Promise<void> {
    const generation = this.#generation;
    let failure: Failure = { kind: "temporary", detail: "connection rejected" };
    try {
      await this.http.call({ method: "GET", path: "/api/v1/gateway/status", isOnce: true });
    } catch (error) {
      failure = failureOf(error);
    }
    if (generation === this.#generation) this.handlers.failed(failure);
  }

  send(frame: ClientFrame): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  close(): void {
    this.#generation++;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
  }

  /** A new credential for the open connection, and for the next one. */
  async renew(): Promise<AuthCommand> {
    const { http } = this;
    this.#token = await http.auth.accessToken(http, this.#token);
    // With a cookie, a ticket stands for the session.
    return this.#token ? { access_token: this.#token } : { ticket: await createTicket(http) };
  }
}

async function createTicket(http: Http): Promise<string> {
  const call = { method: "POST", path: "/api/v1/gateway/tickets", isRepeatable: true, isOnce: true };
  return (await http.call<{ ticket: string }>(call)).data.ticket;
}
