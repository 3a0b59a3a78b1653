// An in-memory server with two conversations, and a network that loses, repeats and reorders frames.

import { Core } from "../../../src/gateway/core.js";
import type {
  ClientFrame,
  CommandResult,
  Failure,
  Inputs,
  ServerFrame,
  Update,
  Updates,
} from "../../../src/gateway/io.js";
import type { Message } from "../../../src/index.js";

export const ME = "00000000-0000-7000-8000-000000000001";
export const BOB = "00000000-0000-7000-8000-000000000002";
export const ROOMS = ["room-one", "room-two"] as const;
/** Number of events in a reply to `history`. */
const PULLED = 3;

interface Stored {
  clientId: string;
  sender: string;
  text: string | null;
  seq: number;
}

/** A conversation on the server. */
class Room {
  readonly messages: Stored[] = [];
  /** All events: name, and index of the message. */
  readonly log: [ev: string, index: number][] = [];
  /** The `seq` up to which events have expired. */
  expired = 0;
  isClosed = false;
  /** The numbers of the messages that the application has displayed as new, in order. */
  readonly displayed: number[] = [];

  constructor(readonly id: string) {}

  message(index: number): Message {
    const { clientId, sender, text, seq } = this.messages[index]!;
    const base = {
      id: `${this.id}-${index}`,
      conversation_id: this.id,
      seq,
      message_no: index + 1,
      client_id: clientId,
    };
    const rest = { media: [], reply_to: null, created_at: "", edited_at: null, is_deleted: text === null };
    return { ...base, ...rest, text, sender: { id: sender } } as unknown as Message;
  }

  change(seq: number): ServerFrame {
    const [ev, index] = this.log[seq - 1]!;
    return { ev, d: { conversation_id: this.id, seq, message: this.message(index) } };
  }

  /** Pages have a fixed size, so they contain more than what was missed. */
  page(after: number | undefined) {
    const last = this.messages.length;
    const first = after === undefined ? Math.max(0, last - 20) : Math.max(0, after - 3);
    const messages = [...Array(Math.max(0, last - first)).keys()].map((offset) => this.message(first + offset));
    return { messages, last_seq: this.log.length };
  }

  head() {
    const counts = { last_message_no: this.messages.length, read_no: 0, unread_count: 0 };
    return { conversation_id: this.id, last_seq: this.log.length, ...counts };
  }

  history(after: number) {
    const head = this.log.length;
    const reset = after < this.expired;
    const last = reset ? after : Math.min(head, after + PULLED);
    const events = [...Array(last - after).keys()].map((offset) => this.change(after + 1 + offset));
    return { events, head_seq: head, more: last < head, reset };
  }
}

export const READY = {
  proto: 1,
  connection_id: "c",
  user_id: ME,
  now: "",
  heartbeat_ms: 25_000,
  auth_expires_in_ms: 600_000,
  degraded: false,
  limits: {
    message_bytes: 16_384,
    commands_per_second: 5,
    command_burst: 20,
    topics: 64,
    open_conversations: 16,
    watched_users: 100,
  },
};

/** Deterministic numbers from 0 to 1. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The core, the server, and the network between them. */
export class World {
  readonly core: Core;
  now = 0;
  readonly updates: Update[] = [];
  stopped: Updates["stopped"] | undefined;
  isOpen = false;
  /** Whether the core has requested a connection. */
  connecting = false;
  refreshing = false;
  readonly replies: [ticket: number, result: CommandResult][] = [];
  readonly rooms = ROOMS.map((id) => new Room(id));
  readonly loading: [id: string, after: number | undefined][] = [];
  toServer: ClientFrame[] = [];
  toClient: ServerFrame[] = [];
  #lastId = 0;
  #sent = 0;

  constructor(seed = 7, followAll = false) {
    this.core = new Core({ me: ME, followAll, random: random(seed) });
    for (const id of followAll ? [] : ROOMS) this.input((core) => core.follow(id));
    this.input((core) => core.open([ROOMS[0]]));
  }

  /** A connected client without pending commands. */
  static connected(): World {
    const world = new World();
    world.input();
    while (world.outside(true) || world.deliverToClient() || world.deliverToServer());
    return world;
  }

  room(id: string): Room {
    return this.rooms.find((room) => room.id === id)!;
  }

  input(input: (core: Inputs) => void = () => {}): void {
    for (const output of this.core.handle(this.now, input)) {
      if (this.stopped) throw new Error(`output after the end: ${output.type}`);
      switch (output.type) {
        case "load":
          if (this.loading.some(([id]) => id === output.conversation)) throw new Error("loads twice");
          this.loading.push([output.conversation, output.after]);
          break;
        case "refresh":
          if (this.refreshing) throw new Error("refreshes twice");
          this.refreshing = true;
          break;
        case "connect":
          if (this.isOpen || this.connecting) throw new Error("connects twice");
          this.connecting = true;
          break;
        case "send":
          if (!this.isOpen) throw new Error("sends without a connection");
          this.toServer.push(output.frame);
          break;
        case "close":
          this.#lose();
          break;
        case "reply":
          this.replies.push([output.ticket, output.result]);
          break;
        case "update":
          this.#update(output.update);
      }
    }
    if (!this.stopped && (this.core.wake() ?? Infinity) <= this.now) throw new Error("wakes without a cause");
  }

  #update(update: Update): void {
    this.updates.push(update);
    if (update.name === "stopped") this.stopped = update.data;
    if (update.name === "loaded") {
      const { conversation_id, messages, known } = update.data;
      const { displayed } = this.room(conversation_id);
      if (known !== undefined && known !== (displayed.at(-1) ?? 0)) throw new Error("the core knows what it reported");
      for (const { message_no } of messages) if (message_no > (displayed.at(-1) ?? 0)) displayed.push(message_no);
    }
    if (update.name === "change" && update.data.ev === "message.created") {
      this.room(update.data.d.conversation_id).displayed.push(update.data.d.message!.message_no);
    }
  }

  #lose(): void {
    this.isOpen = false;
    this.connecting = false;
    this.toServer = [];
    this.toClient = [];
  }

  drop(code?: number, reason = "lost"): void {
    if (!this.isOpen) return;
    this.#lose();
    this.input((core) => core.closed(code, reason));
  }

  sends(room: number, text: string): void {
    const client_id = `client-${++this.#sent}`;
    this.input((core) => core.send({ conversation_id: ROOMS[room]!, client_id, text }));
  }

  /** Advances the time to the core's next wake-up, or by `atMost`. */
  sleep(atMost: number): void {
    const wake = Math.max(this.core.wake() ?? this.now, this.now);
    this.now = Math.min(wake, this.now + atMost);
    this.input();
  }

  /** Completes a pending request of the core (page, token or connection); returns whether there was one. */
  outside(works: boolean): boolean {
    const broken: Failure = { kind: "temporary", detail: "broken" };
    const load = this.loading.shift();
    if (load) {
      const [conversation, after] = load;
      this.input((core) => core.page(conversation, works ? this.room(conversation).page(after) : broken));
    } else if (this.refreshing) {
      this.refreshing = false;
      this.input((core) => core.token(works ? { access_token: "new" } : broken));
    } else if (this.connecting) {
      this.connecting = false;
      if (works) this.open();
      else this.input((core) => core.failed(broken));
    } else {
      return false;
    }
    return true;
  }

  open(ready: object = READY): void {
    this.isOpen = true;
    this.#lastId = 0;
    this.event("ready", ready);
    this.input((core) => core.connected());
  }

  event(ev: string, d: object): void {
    if (this.isOpen) this.toClient.push({ ev, d: d as Record<string, unknown> });
  }

  record(room: Room, ev: string, index: number): void {
    room.log.push([ev, index]);
    const { d } = room.change(room.log.length);
    this.event(ev, d as object);
  }

  #store(room: Room, sender: string, clientId: string, text: string): number {
    room.messages.push({ clientId, sender, text, seq: room.log.length + 1 });
    this.record(room, "message.created", room.messages.length - 1);
    return room.messages.length - 1;
  }

  bobSends(room: number, text: string): void {
    this.#store(this.rooms[room]!, BOB, "", text);
  }

  /** Bob edits or deletes one of his messages. */
  bobChanges(room: number, which: number, text: string | null): void {
    const { messages } = this.rooms[room]!;
    const his = messages.flatMap(({ sender, text: old }, index) => (sender === BOB && old !== null ? [index] : []));
    const index = his[which % Math.max(1, his.length)];
    if (index === undefined) return;
    messages[index]!.text = text;
    this.record(this.rooms[room]!, text === null ? "message.deleted" : "message.edited", index);
  }

  /** Loses, repeats or delays an event in flight to the client. */
  disturb(which: number, how: number): void {
    const waiting = this.toClient.flatMap(({ d }, at) => (d && "seq" in d ? [at] : []));
    const at = waiting[which % Math.max(1, waiting.length)];
    if (at === undefined) return;
    const [frame] = how === 1 ? [this.toClient[at]!] : this.toClient.splice(at, 1);
    if (how > 0) this.toClient.push(frame!);
  }

  /** Sends the heads, as the server does from time to time in case events were lost. */
  sendHeads(): void {
    for (const room of this.rooms) this.event("conversation.head", room.head());
  }

  deliverToClient(): boolean {
    const frame = this.toClient.shift();
    if (frame) this.input((core) => core.frame(frame));
    return frame !== undefined;
  }

  /** The server processes the next command; with `code` it rejects it. */
  deliverToServer(code?: string): boolean {
    const frame = this.toServer.shift();
    if (!frame) return false;
    if ("pong" in frame) return true;
    if (frame.id <= this.#lastId) throw new Error("ids grow");
    this.#lastId = frame.id;
    if (frame.op === "typing") return true;
    const answer = code ?? this.#answer(frame.op, frame.d as Record<string, unknown>);
    const err = typeof answer === "string" && { code: answer, detail: answer, retry_after_ms: 200 };
    this.toClient.push(err ? { re: frame.id, err } : { re: frame.id, ok: answer });
    return true;
  }

  #answer(op: string, d: Record<string, unknown>): object | string {
    if (op === "sync") {
      const heads = this.rooms.map((room) => room.head());
      return { cursor: "c", heads, removed: [], more: false, unread: 0, topics: {}, presence: [] };
    }
    if (op === "auth") return { auth_expires_in_ms: 600_000 };
    const room = this.rooms.find(({ id }) => id === d["conversation_id"]);
    if (!room || room.isClosed) return "not-found";
    if (op === "history") return room.history(d["after"] as number);
    if (op !== "message.send") return {};
    const existing = room.messages.findIndex(({ clientId }) => clientId === d["client_id"]);
    const index = existing < 0 ? this.#store(room, ME, d["client_id"] as string, d["text"] as string) : existing;
    const { seq } = room.messages[index]!;
    return { seq, message_no: index + 1, id: `${room.id}-${index}`, created_at: "", duplicate: existing >= 0 };
  }

  /** Delivers everything. */
  run(): void {
    while (this.deliverToClient() || this.deliverToServer());
  }

  /** Runs without failures until the core has nothing left to do, with heads from time to time. */
  settle(): void {
    for (let round = 0; round < 60; round++) {
      while (this.outside(true) || this.deliverToClient() || this.deliverToServer());
      this.sendHeads();
      this.sleep(40_000);
    }
  }

  /** The texts of the user's messages stored on the server. */
  stored(room: number): (string | null)[] {
    return this.rooms[room]!.messages.flatMap(({ sender, text }) => (sender === ME ? [text] : []));
  }

  /** The commands in flight to the server. */
  commands(): string[] {
    return this.toServer.map((frame) => ("op" in frame ? frame.op : "pong"));
  }

  /** The updates of a name since the start. */
  of<Name extends Update["name"]>(name: Name): Updates[Name][] {
    return this.updates.flatMap((update) => (update.name === name ? [update.data as Updates[Name]] : []));
  }
}
