// One WebSocket for all tabs of an account. The tab that holds a Web Lock, the leader, has the socket; the others use it over a
// BroadcastChannel. Every tab has its own core, which sees a connection of its own.
//
// Every tab holds a lock of its own, too. When it is released, the tab was closed.

import type { Environment } from "../environment.js";
import type { ClientFrame } from "./io.js";
import { Leader, type Report } from "./leader.js";
import type { Transport, TransportHandlers } from "./socket.js";

/** A leader that does not answer within this time is frozen: another tab takes over. */
const PATIENCE = 3000;
const TAKEN_OVER = "another tab took over";

type Message =
  | { type: "connect" | "close" | "leader"; from: string }
  | { type: "send"; from: string; frame: ClientFrame }
  /** `by` is the leader: one that was frozen may not know yet that it is none any more. */
  | (Report & { by: string });

export interface TabHandlers extends TransportHandlers {
  /** Another tab may have been closed. Only the leader is asked. */
  orphaned(): void;
}

const tabLock = (name: string, tab: string) => `${name} tab ${tab}`;

export class SharedTransport implements Transport {
  /** Resolves when this tab counts as open. */
  readonly locked: Promise<void>;
  #isLocked = false;
  readonly #channel: BroadcastChannel;
  /** If this tab is the leader. */
  #lead: Leader | undefined;
  #resign = () => {};
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
    private readonly newSocket: (handlers: TransportHandlers) => Transport,
    private readonly handlers: TabHandlers,
  ) {
    const Channel = env.BroadcastChannel as typeof BroadcastChannel;
    this.#channel = new Channel(name);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    // Before others learn of this tab: without its lock they would take it for closed.
    this.locked = this.#lock(tabLock(name, tab)).then(() => {
      if (this.#end.signal.aborted) return;
      this.#isLocked = true;
      this.#elect();
      if (this.#state === "connecting") this.connect();
    });
  }

  connect(): void {
    this.#state = "connecting";
    if (!this.#isLocked) return;
    if (this.#lead) return this.#lead.join(this.tab);
    this.#post({ type: "connect", from: this.tab });
    this.#patience ??= this.env.setTimeout(() => {
      this.#patience = undefined;
      if (this.#state === "connecting" && !this.#lead) this.#elect(true);
    }, PATIENCE);
  }

  send(frame: ClientFrame): void {
    if (this.#lead) this.#lead.send(this.tab, frame);
    else this.#post({ type: "send", from: this.tab, frame });
  }

  close(): void {
    this.#state = "idle";
    if (this.#lead) this.#lead.close("closed");
    else this.#post({ type: "close", from: this.tab });
  }

  /** The tabs that are open. */
  async liveTabs(): Promise<Set<string>> {
    const { held = [] } = await this.env.locks.query();
    const prefix = tabLock(this.name, "");
    return new Set(held.flatMap(({ name = "" }) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : [])));
  }

  /** Leaves the connection to other tabs. */
  dispose(): void {
    this.close();
    this.#end.abort();
    this.#election.abort();
    this.#resign();
    this.#lead = undefined;
    this.env.clearTimeout(this.#patience);
    this.#channel.close();
  }

  #post(message: Message): void {
    this.#channel.postMessage(message);
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

  #receiveOf(message: Extract<Message, { from: string }>): void {
    const { type, from } = message;
    const lead = this.#lead;
    if (type === "leader" && !lead) {
      if (this.#state === "connecting") this.connect();
      else this.#lost(undefined, TAKEN_OVER);
    }
    if (!lead) return;
    this.#watch(from);
    if (type === "connect") lead.join(from);
    else if (type === "send") lead.send(from, message.frame);
    else if (type === "close") lead.leave(from);
  }

  /** What the leader reports to this tab. */
  #deliver(report: Report): void {
    const { handlers } = this;
    switch (report.type) {
      case "connected":
        if (this.#state !== "connecting") return;
        this.#state = "open";
        return handlers.connected();
      case "frame":
        if (this.#state === "open") handlers.frame(report.frame);
        return;
      case "failed":
        if (this.#state !== "connecting") return;
        this.#state = "idle";
        return handlers.failed(report.failure);
      case "closed":
        return this.#lost(report.code, report.reason);
    }
  }

  #lost(code: number | undefined, reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "idle";
    this.handlers.closed(code, reason);
  }

  /** Holds a lock until the end; resolves when it is granted. */
  #lock(name: string): Promise<void> {
    const { signal } = this.#end;
    const end = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    return new Promise((resolve) => {
      const granted = () => {
        resolve();
        return end;
      };
      // Aborted by the end.
      this.env.locks.request(name, { signal }, granted).catch(() => resolve());
    });
  }

  #elect(steal = false): void {
    this.#election.abort();
    const election = new AbortController();
    this.#election = election;
    const { signal } = election;
    const lead = () => new Promise<void>((resolve) => (signal.aborted ? resolve() : this.#becomeLeader(resolve)));
    // A request that steals cannot be aborted, nor does it wait.
    this.env.locks.request(this.name, steal ? { steal } : { signal }, lead).catch(() => {
      // Another tab took over, while this one was frozen; or the request was aborted.
      if (signal.aborted) return;
      this.#stepDown();
      this.#elect();
    });
  }

  #becomeLeader(resign: () => void): void {
    const { env, tab } = this;
    this.#resign = resign;
    this.#lost(undefined, TAKEN_OVER);
    this.#lead = new Leader(env, tab, this.newSocket, (report) => {
      if (report.to === tab) this.#deliver(report);
      else this.#post({ ...report, by: tab });
    });
    this.#post({ type: "leader", from: tab });
    if (this.#state === "connecting") this.#lead.join(tab);
    void this.liveTabs().then((tabs) => {
      for (const other of tabs) this.#watch(other);
      this.handlers.orphaned();
    });
  }

  #stepDown(): void {
    const lead = this.#lead;
    // Others already follow another tab.
    this.#lead = undefined;
    this.#watched.clear();
    lead?.close(TAKEN_OVER);
    if (this.#state === "connecting") this.connect();
  }

  /** Waits until a tab is closed: then its lock is released. */
  #watch(tab: string): void {
    if (tab === this.tab || this.#watched.has(tab)) return;
    this.#watched.add(tab);
    const closed = () => {
      if (!this.#watched.delete(tab)) return;
      this.#lead?.leave(tab);
      this.handlers.orphaned();
    };
    // Only after the lock is free again: while this tab has it, the other one counts as open.
    const free = this.env.locks.request(tabLock(this.name, tab), { signal: this.#end.signal }, () => {});
    free.then(closed, () => {});
  }
}
