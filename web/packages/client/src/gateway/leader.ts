// The tab with the socket: gives commands new ids, returns each reply to its tab, delivers events to all, and merges what is
// set for the whole connection.

import type { Environment } from "../environment.js";
import type { ReadyEvent } from "../generated/gateway.js";
import type { ClientFrame, Failure, ServerFrame } from "./io.js";
import { Pace } from "./pace.js";
import type { Transport, TransportHandlers } from "./socket.js";

/** Only the leader renews the credential. */
const NEVER = 2 ** 40;

/** What a leader reports to a tab. */
export type Report = { to: string } & (
  | { type: "welcome" | "connected" }
  | { type: "frame"; frame: ServerFrame }
  | { type: "failed"; failure: Failure }
  | { type: "closed"; code: number | undefined; reason: string }
);

/** What a tab wants of the connection. */
class TabState {
  isConnected = false;
  open: string[] = [];
  topics = new Set<string>();
  presence: string[] = [];
  recv: Record<string, number> = {};
}

export class Leader {
  readonly #socket: Transport;
  readonly #tabs = new Map<string, TabState>();
  /** The commands in flight, by their id on the socket. */
  readonly #requests = new Map<number, { tab: string; id: number }>();
  #isConnecting = false;
  #ready: ServerFrame | undefined;
  #lastId = 0;
  #pace = new Pace(5, 20);
  #queue: ClientFrame[] = [];
  #timer: unknown;

  constructor(
    private readonly env: Environment,
    /** The tab of the leader itself. */
    private readonly tab: string,
    newSocket: (handlers: TransportHandlers) => Transport,
    private readonly report: (report: Report) => void,
  ) {
    this.#socket = newSocket({
      // Tabs see the connection when it is ready.
      connected: () => {},
      failed: (failure) => {
        this.#isConnecting = false;
        for (const to of [...this.#tabs.keys()]) report({ type: "failed", to, failure });
      },
      frame: (frame) => this.#frame(frame),
      closed: (code, reason) => this.#closed(code, reason),
    });
  }

  /** Connects a tab. */
  join(tab: string): void {
    const state = this.#tabs.get(tab) ?? new TabState();
    state.isConnected = false;
    this.#tabs.set(tab, state);
    this.report({ type: "welcome", to: tab });
    if (this.#ready) this.#start(tab, state, this.#ready);
    else if (!this.#isConnecting) {
      this.#isConnecting = true;
      this.#socket.connect();
    }
  }

  /** Shows a tab the connection from its start. */
  #start(to: string, state: TabState, ready: ServerFrame): void {
    state.isConnected = true;
    this.report({ type: "connected", to });
    const frame = to === this.tab ? ready : { ...ready, d: { ...ready.d, auth_expires_in_ms: NEVER } };
    this.report({ type: "frame", to, frame });
  }

  /** A tab was closed, or has given the connection up. */
  leave(tab: string): void {
    const topics = [...(this.#tabs.get(tab)?.topics ?? [])];
    this.#tabs.delete(tab);
    const unwanted = this.#unwanted(topics);
    if (unwanted.length > 0 && this.#ready) {
      this.#enqueue({ id: ++this.#lastId, op: "unsubscribe", d: { topics: unwanted } });
    }
  }

  /** Ends the connection. */
  close(reason: string): void {
    this.#socket.close();
    this.#closed(undefined, reason);
  }

  #closed(code: number | undefined, reason: string): void {
    this.#isConnecting = false;
    this.#ready = undefined;
    this.#lastId = 0;
    this.#requests.clear();
    this.#queue = [];
    const tabs = [...this.#tabs.keys()];
    this.#tabs.clear();
    for (const to of tabs) this.report({ type: "closed", to, code, reason });
  }

  #frame(frame: ServerFrame): void {
    const { re, ev, ping } = frame;
    if (re !== undefined) {
      const request = this.#requests.get(re);
      this.#requests.delete(re);
      if (request) this.report({ type: "frame", to: request.tab, frame: { ...frame, re: request.id } });
      return;
    }
    const tabs = [...this.#tabs];
    if (ev === "ready") {
      const { limits } = frame.d as unknown as ReadyEvent;
      this.#pace = new Pace(limits.commands_per_second, limits.command_burst);
      this.#isConnecting = false;
      this.#ready = frame;
      for (const [to, state] of tabs) this.#start(to, state, frame);
      return;
    }
    const isOfLeader = ev === "auth.expiring" || ev === "reconnect";
    for (const [to, state] of tabs) {
      if (state.isConnected && (isOfLeader ? to === this.tab : concerns(state, frame))) {
        this.report({ type: "frame", to, frame });
      }
    }
    // Without a connection of its own tab that answers, the leader does.
    if (ping !== undefined && !this.#tabs.has(this.tab)) this.#pong(ping);
  }

  #pong(pong: number): void {
    const recv: Record<string, number> = {};
    for (const state of this.#tabs.values()) {
      for (const [id, seq] of Object.entries(state.recv)) recv[id] = Math.max(recv[id] ?? 0, seq);
    }
    this.#socket.send({ pong, recv: Object.fromEntries(Object.entries(recv).slice(0, 100)) });
  }

  /** Sends a frame of a tab, which may have lost the connection meanwhile. */
  send(tab: string, frame: ClientFrame): void {
    const state = this.#tabs.get(tab);
    if (!state?.isConnected) return;
    if ("pong" in frame) {
      state.recv = frame.recv;
      if (tab === this.tab) this.#pong(frame.pong);
      return;
    }
    const d = this.#merge(state, frame.op, frame.d as Record<string, string[] | undefined>);
    if (d) {
      const id = ++this.#lastId;
      this.#requests.set(id, { tab, id: frame.id });
      this.#enqueue({ id, op: frame.op, d });
    } else {
      this.report({ type: "frame", to: tab, frame: { re: frame.id, ok: { topics: {} } } });
    }
  }

  /** What is set for the whole connection is what any tab wants; `undefined` if there is nothing to change. */
  #merge(state: TabState, op: string, d: Record<string, string[] | undefined>): object | undefined {
    const { open = [], topics = [], presence = [] } = d;
    if (op === "unsubscribe") {
      for (const topic of topics) state.topics.delete(topic);
      const unwanted = this.#unwanted(topics);
      return unwanted.length > 0 ? { topics: unwanted } : undefined;
    }
    if (op !== "sync") return d;
    state.open = open;
    state.topics = new Set(topics);
    state.presence = presence;
    const { limits } = (this.#ready as ServerFrame).d as unknown as ReadyEvent;
    // The tab that asks comes first, in case all together want more than is allowed.
    const all = (of: "open" | "topics" | "presence", limit: number) =>
      [...new Set([state, ...this.#tabs.values()].flatMap((each) => [...each[of]]))].slice(0, limit);
    return {
      ...d,
      open: all("open", limits.open_conversations),
      topics: all("topics", limits.topics),
      presence: all("presence", limits.watched_users),
    };
  }

  #unwanted(topics: string[]): string[] {
    return topics.filter((topic) => ![...this.#tabs.values()].some((state) => state.topics.has(topic)));
  }

  /** Sends at the rate of the connection: every tab alone keeps it, but not all together. */
  #enqueue(frame: ClientFrame): void {
    this.#queue.push(frame);
    this.#flush();
  }

  #flush(): void {
    const { env } = this;
    env.clearTimeout(this.#timer);
    while (this.#queue.length > 0) {
      const wait = this.#pace.due - env.now();
      if (wait > 0) {
        this.#timer = env.setTimeout(() => this.#flush(), wait);
        return;
      }
      this.#pace.take(env.now());
      this.#socket.send(this.#queue.shift() as ClientFrame);
    }
  }
}

/** Whether an event is of something that the tab asked for. */
function concerns(state: TabState, { ev, d = {} }: ServerFrame): boolean {
  if (typeof d["topic"] === "string") return state.topics.has(d["topic"]);
  if (ev === "typing") return state.open.includes(d["conversation_id"] as string);
  if (ev === "presence") return state.presence.includes(d["user_id"] as string);
  return true;
}
