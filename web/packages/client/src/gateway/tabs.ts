// One WebSocket for all tabs of an account. The tab that holds a Web Lock, the leader, has the socket; the others use it over a
// BroadcastChannel. Every tab has its own core, which sees a connection of its own: the leader gives commands new ids, returns
// each reply to its tab, delivers events to all, and merges what is set for the whole connection.
//
// Every tab holds a lock of its own, too. When it is released, the tab was closed.

import type { Environment } from "../environment.js";
import type { ReadyEvent } from "../generated/gateway.js";
import type { ClientFrame, Failure, ServerFrame } from "./io.js";
import { Pace } from "./pace.js";
import type { Line, LineHandlers } from "./socket.js";

/** A leader that does not answer within this time is frozen: another tab takes over. */
const PATIENCE = 3000;
/** Only the leader renews the credential. */
const NEVER = 2 ** 40;

type Message =
  | { type: "connect" | "hello" | "close" | "leader"; from: string }
  | { type: "send"; from: string; frame: ClientFrame }
  | Report;

/** What a leader reports to a tab. `by` is the leader: one that was frozen may not know yet that it is none any more. */
type Report = { to: string; by: string } & (
  | { type: "welcome" | "connected" }
  | { type: "frame"; frame: ServerFrame }
  | { type: "failed"; failure: Failure }
  | { type: "closed"; code: number | undefined; reason: string }
);
type WithoutBy<T> = T extends { by: string } ? Omit<T, "by"> : never;

/** A tab that uses the socket. */
interface Seat {
  isConnected: boolean;
  open: string[];
  topics: Set<string>;
  presence: string[];
  recv: Record<string, number>;
}

/** What a leader has. */
interface Leadership {
  socket: Line;
  state: "idle" | "connecting" | "open";
  ready: ServerFrame | undefined;
  seats: Map<string, Seat>;
  /** The commands in flight, by their id on the socket. */
  requests: Map<number, { tab: string; id: number }>;
  lastId: number;
  pace: Pace;
  queue: ClientFrame[];
  timer: unknown;
  resign: () => void;
}

export interface TabHandlers extends LineHandlers {
  /** Another tab may have been closed. Only the leader is asked. */
  orphaned(): void;
}

/** The names of the locks of all tabs with this prefix that are open. */
export async function liveTabs(locks: LockManager, name: string): Promise<Set<string>> {
  const { held = [] } = await locks.query();
  const prefix = tabLock(name, "");
  return new Set(held.flatMap((lock) => (lock.name?.startsWith(prefix) ? [lock.name.slice(prefix.length)] : [])));
}

const tabLock = (name: string, tab: string) => `${name} tab ${tab}`;
const newSeat = (): Seat => ({ isConnected: false, open: [], topics: new Set(), presence: [], recv: {} });

export class SharedLine implements Line {
  /** Resolves when this tab counts as open. */
  readonly held: Promise<void>;
  #isHeld = false;
  readonly #channel: BroadcastChannel;
  #lead: Leadership | undefined;
  /** The leader that answered last. */
  #leader = "";
  /** The connection as this tab sees it. */
  #state: "idle" | "connecting" | "open" = "idle";
  #patience: unknown;
  #election = new AbortController();
  readonly #end = new AbortController();
  readonly #watched = new Set<string>();

  constructor(
    private readonly env: Environment & { locks: LockManager },
    private readonly name: string,
    private readonly tab: string,
    private readonly newSocket: (handlers: LineHandlers) => Line,
    private readonly handlers: TabHandlers,
  ) {
    const Channel = env.BroadcastChannel as typeof BroadcastChannel;
    this.#channel = new Channel(name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    // Before others learn of this tab: without its lock they would take it for closed.
    this.held = this.#hold(tabLock(name, tab)).then(() => {
      if (this.#end.signal.aborted) return;
      this.#isHeld = true;
      this.#post({ type: "hello", from: tab });
      this.#elect();
      if (this.#state === "connecting") this.connect();
    });
  }

  // As a tab.

  connect(): void {
    this.#state = "connecting";
    if (!this.#isHeld) return;
    if (this.#lead) return this.#join(this.tab);
    this.#post({ type: "connect", from: this.tab });
    this.#patience ??= this.env.setTimeout(() => {
      this.#patience = undefined;
      if (this.#state === "connecting" && !this.#lead) this.#elect(true);
    }, PATIENCE);
  }

  send(frame: ClientFrame): void {
    if (this.#lead) this.#forward(this.tab, frame);
    else this.#post({ type: "send", from: this.tab, frame });
  }

  close(): void {
    this.#state = "idle";
    if (this.#lead) this.#closeSocket(undefined, "closed");
    else this.#post({ type: "close", from: this.tab });
  }

  dispose(): void {
    this.close();
    this.#end.abort();
    this.#election.abort();
    this.#lead?.resign();
    this.#lead = undefined;
    this.env.clearTimeout(this.#patience);
    this.#channel.close();
  }

  #receive(message: Message): void {
    if ("from" in message) return this.#receiveOf(message);
    if (message.to !== this.tab || this.#lead) return;
    if (message.type === "welcome") this.#leader = message.by;
    if (message.by !== this.#leader) return;
    this.env.clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#deliver(message);
  }

  /** What the leader reports to this tab. */
  #deliver(message: WithoutBy<Report>): void {
    switch (message.type) {
      case "connected":
        if (this.#state !== "connecting") return;
        this.#state = "open";
        return this.handlers.connected();
      case "frame":
        if (this.#state === "open") this.handlers.frame(message.frame);
        return;
      case "failed":
        if (this.#state !== "connecting") return;
        this.#state = "idle";
        return this.handlers.failed(message.failure);
      case "closed":
        return this.#lost(message.code, message.reason);
    }
  }

  #lost(code: number | undefined, reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "idle";
    this.handlers.closed(code, reason);
  }

  // Election.

  /** Holds a lock until the end; resolves when it is granted. */
  #hold(name: string): Promise<void> {
    const { signal } = this.#end;
    const end = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    return new Promise((resolve) => {
      const hold = () => {
        resolve();
        return end;
      };
      // Aborted by the end.
      this.env.locks.request(name, { signal }, hold).catch(() => resolve());
    });
  }

  #elect(steal = false): void {
    this.#election.abort();
    const election = new AbortController();
    this.#election = election;
    // A request that steals cannot be aborted, nor does it wait.
    const options = steal ? { steal } : { signal: election.signal };
    const lead = () => new Promise<void>((resolve) => (election.signal.aborted ? resolve() : this.#rule(resolve)));
    this.env.locks.request(this.name, options, lead).catch(() => {
      // Another tab took over, while this one was frozen; or the request was aborted.
      if (election.signal.aborted) return;
      this.#abdicate();
      this.#elect();
    });
  }

  #rule(resign: () => void): void {
    const lead: Leadership = {
      socket: this.newSocket({
        connected: () => this.#socketConnected(),
        failed: (failure) => this.#socketFailed(failure),
        frame: (frame) => this.#socketFrame(frame),
        closed: (code, reason) => this.#socketClosed(code, reason),
      }),
      state: "idle",
      ready: undefined,
      seats: new Map(),
      requests: new Map(),
      lastId: 0,
      pace: new Pace(5, 20),
      queue: [],
      timer: undefined,
      resign,
    };
    this.#lost(undefined, "another tab had the connection");
    this.#lead = lead;
    this.#post({ type: "leader", from: this.tab });
    if (this.#state === "connecting") this.#join(this.tab);
    void liveTabs(this.env.locks, this.name).then((tabs) => {
      for (const tab of tabs) this.#watch(tab);
      this.handlers.orphaned();
    });
  }

  #abdicate(): void {
    if (!this.#lead) return;
    this.#lead.socket.dispose();
    this.env.clearTimeout(this.#lead.timer);
    this.#lead = undefined;
    this.#watched.clear();
    if (this.#state === "connecting") this.connect();
    else this.#lost(undefined, "another tab has taken over");
  }

  /** Waits until a tab is closed: then its lock is released. */
  #watch(tab: string): void {
    if (tab === this.tab || this.#watched.has(tab)) return;
    this.#watched.add(tab);
    const { signal } = this.#end;
    this.env.locks
      .request(tabLock(this.name, tab), { signal }, () => {
        if (!this.#watched.delete(tab)) return;
        this.#leave(tab);
        this.handlers.orphaned();
      })
      .catch(() => {});
  }

  // As the leader.

  #receiveOf(message: Extract<Message, { from: string }>): void {
    if (message.type === "leader") {
      if (this.#lead) return;
      if (this.#state === "connecting") this.connect();
      else this.#lost(undefined, "another tab has taken over");
      return;
    }
    if (!this.#lead) return;
    this.#watch(message.from);
    if (message.type === "connect") this.#join(message.from);
    else if (message.type === "send") this.#forward(message.from, message.frame);
    else if (message.type === "close") this.#leave(message.from);
  }

  #post(message: Message): void {
    this.#channel.postMessage(message);
  }

  #to(report: WithoutBy<Report>): void {
    if (report.to === this.tab) this.#deliver(report);
    else this.#post({ ...report, by: this.tab } as Report);
  }

  #join(tab: string): void {
    const lead = this.#lead as Leadership;
    const seat = lead.seats.get(tab) ?? newSeat();
    seat.isConnected = false;
    lead.seats.set(tab, seat);
    if (tab !== this.tab) this.#to({ type: "welcome", to: tab });
    if (lead.state === "open") {
      if (lead.ready) this.#seat(tab, seat, lead.ready);
    } else if (lead.state === "idle") {
      lead.state = "connecting";
      lead.socket.connect();
    }
  }

  /** Shows a tab the connection from its start. */
  #seat(tab: string, seat: Seat, ready: ServerFrame): void {
    seat.isConnected = true;
    this.#to({ type: "connected", to: tab });
    const frame = tab === this.tab ? ready : { ...ready, d: { ...ready.d, auth_expires_in_ms: NEVER } };
    this.#to({ type: "frame", to: tab, frame });
  }

  #leave(tab: string): void {
    const lead = this.#lead;
    const seat = lead?.seats.get(tab);
    if (!lead || !seat) return;
    lead.seats.delete(tab);
    for (const [id, request] of lead.requests) if (request.tab === tab) lead.requests.delete(id);
    const topics = [...seat.topics].filter((topic) => !this.#isWanted(topic));
    if (topics.length > 0 && lead.ready) this.#enqueue({ id: ++lead.lastId, op: "unsubscribe", d: { topics } });
  }

  #isWanted(topic: string): boolean {
    return [...(this.#lead?.seats.values() ?? [])].some(({ topics }) => topics.has(topic));
  }

  #socketConnected(): void {
    const lead = this.#lead as Leadership;
    lead.state = "open";
    lead.lastId = 0;
  }

  #socketFailed(failure: Failure): void {
    const lead = this.#lead as Leadership;
    lead.state = "idle";
    for (const tab of [...lead.seats.keys()]) this.#to({ type: "failed", to: tab, failure });
  }

  #socketClosed(code: number | undefined, reason: string): void {
    const lead = this.#lead as Leadership;
    lead.state = "idle";
    lead.ready = undefined;
    lead.requests.clear();
    lead.queue = [];
    const seats = [...lead.seats.keys()];
    lead.seats.clear();
    for (const tab of seats) this.#to({ type: "closed", to: tab, code, reason });
  }

  #closeSocket(code: number | undefined, reason: string): void {
    this.#lead?.socket.close();
    this.#socketClosed(code, reason);
  }

  #socketFrame(frame: ServerFrame): void {
    const lead = this.#lead as Leadership;
    if (frame.re !== undefined) {
      const request = lead.requests.get(frame.re);
      lead.requests.delete(frame.re);
      if (request) this.#to({ type: "frame", to: request.tab, frame: { ...frame, re: request.id } });
      return;
    }
    if (frame.ev === "ready") {
      const { commands_per_second, command_burst } = (frame.d as unknown as ReadyEvent).limits;
      lead.pace = new Pace(commands_per_second, command_burst);
      lead.ready = frame;
      for (const [tab, seat] of [...lead.seats]) this.#seat(tab, seat, frame);
      return;
    }
    const isOfLeader = frame.ev === "auth.expiring" || frame.ev === "reconnect";
    for (const [tab, seat] of [...lead.seats]) {
      if (seat.isConnected && (isOfLeader ? tab === this.tab : concerns(seat, frame)))
        this.#to({ type: "frame", to: tab, frame });
    }
    // Without a tab of its own that answers, the leader does.
    if (frame.ping !== undefined && !lead.seats.has(this.tab)) this.#pong(frame.ping);
  }

  #pong(pong: number): void {
    const lead = this.#lead as Leadership;
    const recv: Record<string, number> = {};
    for (const seat of lead.seats.values()) {
      for (const [id, seq] of Object.entries(seat.recv)) recv[id] = Math.max(recv[id] ?? 0, seq);
    }
    lead.socket.send({ pong, recv: Object.fromEntries(Object.entries(recv).slice(0, 100)) });
  }

  /** A frame of a tab, which may have been closed meanwhile. */
  #forward(tab: string, frame: ClientFrame): void {
    const lead = this.#lead as Leadership;
    const seat = lead.seats.get(tab);
    if (!seat?.isConnected) return;
    if ("pong" in frame) {
      seat.recv = frame.recv;
      if (tab === this.tab) this.#pong(frame.pong);
      return;
    }
    const d = this.#merge(seat, frame.op, frame.d as Record<string, string[] | undefined>);
    if (!d) {
      this.#to({ type: "frame", to: tab, frame: { re: frame.id, ok: { topics: {} } } });
      return;
    }
    const id = ++lead.lastId;
    lead.requests.set(id, { tab, id: frame.id });
    this.#enqueue({ id, op: frame.op, d });
  }

  /** What is set for the whole connection is what any tab wants; `undefined` if there is nothing to change. */
  #merge(seat: Seat, op: string, d: Record<string, string[] | undefined>): object | undefined {
    const lead = this.#lead as Leadership;
    const { open = [], topics = [], presence = [] } = d;
    if (op === "unsubscribe") {
      for (const topic of topics) seat.topics.delete(topic);
      const unwanted = topics.filter((topic) => !this.#isWanted(topic));
      return unwanted.length > 0 ? { topics: unwanted } : undefined;
    }
    if (op !== "sync") return d;
    seat.open = open;
    seat.topics = new Set(topics);
    seat.presence = presence;
    const { limits } = (lead.ready as ServerFrame).d as unknown as ReadyEvent;
    // The tab that asks comes first, in case all together want more than is allowed.
    const all = (of: (seat: Seat) => Iterable<string>, limit: number) =>
      [...new Set([seat, ...lead.seats.values()].flatMap((each) => [...of(each)]))].slice(0, limit);
    return {
      ...d,
      open: all((each) => each.open, limits.open_conversations),
      topics: all((each) => each.topics, limits.topics),
      presence: all((each) => each.presence, limits.watched_users),
    };
  }

  /** Sends at the rate of the connection: every tab alone keeps it, but not all together. */
  #enqueue(frame: ClientFrame): void {
    const lead = this.#lead as Leadership;
    lead.queue.push(frame);
    this.#flush(lead);
  }

  #flush(lead: Leadership): void {
    this.env.clearTimeout(lead.timer);
    while (lead.queue.length > 0) {
      const wait = lead.pace.due - this.env.now();
      if (wait > 0) {
        lead.timer = this.env.setTimeout(() => this.#flush(lead), wait);
        return;
      }
      lead.pace.take(this.env.now());
      lead.socket.send(lead.queue.shift() as ClientFrame);
    }
  }
}

/** Whether an event is of something that the tab asked for. */
function concerns(seat: Seat, { ev, d }: ServerFrame): boolean {
  if (typeof d?.["topic"] === "string") return seat.topics.has(d["topic"]);
  if (ev === "typing") return seat.open.includes(d?.["conversation_id"] as string);
  if (ev === "presence") return seat.presence.includes(d?.["user_id"] as string);
  return true;
}
