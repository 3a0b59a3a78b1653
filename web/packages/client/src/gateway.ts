import { jitter } from "./backoff.js";
import { type Environment, sleep, uuid7 } from "./environment.js";
import { Core } from "./gateway/core.js";
import { failureOf } from "./gateway/failure.js";
import type { CommandResult, Draft, Inputs, Output, Page, ReplyOf, Update, Updates } from "./gateway/io.js";
import { SocketTransport, type Transport, type TransportHandlers } from "./gateway/socket.js";
import { indexedDbOutbox, memoryOutbox, type OutboxStore, type PendingMessage } from "./gateway/storage.js";
import { SharedTransport } from "./gateway/tabs.js";
import type { CommandError, Commands, Events } from "./generated/gateway.js";
import type { Account, MessagePage } from "./generated/models.js";
import type { Http } from "./http.js";
import { NetworkError, Problem } from "./problem.js";

export interface GatewayOptions {
  /** The account that is logged in. Without it, it is asked for, so nothing can be sent while the device starts offline. */
  userId?: string;
  /** Follow every conversation of the account, including those that it is added to later. */
  followAll?: boolean;
  /** Where messages wait until they are sent. Default: IndexedDB, or memory where there is none. */
  outbox?: OutboxStore;
  /** One connection for all tabs of the session. Default: in pages whose tabs share the session. */
  shareTabs?: boolean;
}

/** A message to send. */
export type NewMessage = Omit<Draft, "conversation_id" | "client_id"> & { client_id?: string };

/** All events of the server and all updates of the client, by name. */
export type GatewayEvents = Events &
  Updates & {
    /** What {@link Gateway.pending} returns has changed, for example because a tab was closed whose messages this one sends. */
    pending: PendingMessage[];
  };

type Input = (core: Inputs) => void;
type Listener = (data: never) => void;

/** For the reply to a command, also while there is no connection. */
const COMMAND_LIMIT = 30_000;
/** Timers do not support delays of a month. */
const LONGEST_TIMER = 3_600_000;
/** Page size of the first load, and of loads after too many events were missed. */
const FIRST_PAGE = 20;
const FULL_PAGE = 100;

/**
 * A connection to the gateway that is opened again whenever it is lost. Each event of a followed conversation arrives once and
 * in order, and each message that was passed to {@link Gateway.send} is stored once, whatever the network does.
 */
export class Gateway {
  readonly #env: Environment;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #pending = new Map<string, PendingMessage>();
  readonly #replies = new Map<number, (result: CommandResult) => void>();
  readonly #tab: string;
  readonly #stopWake: () => void;
  /** What waits for the core: until the account is known, and for its turn. */
  readonly #inputs: Input[] = [];
  #isRunning = false;
  #core: Core | undefined;
  #transport: Transport | undefined;
  #shared: SharedTransport | undefined;
  /** The connection of this tab, if it has one. */
  #socket: SocketTransport | undefined;
  #outbox: OutboxStore;
  #storing: Promise<unknown> = Promise.resolve();
  #started: Promise<void>;
  #name = "";
  #timer: unknown;
  #tickets = 0;
  #isOver = false;

  /** @internal */
  constructor(
    private readonly http: Http,
    private readonly options: GatewayOptions = {},
  ) {
    this.#env = http.env;
    this.#tab = uuid7(http.env);
    this.#outbox = options.outbox ?? memoryOutbox();
    this.#stopWake = http.env.onWake(() => this.online());
    this.#started = this.#start();
  }

  /** Calls `listener` with each event or update of a name; returns how to stop that. */
  on<Name extends keyof GatewayEvents>(name: Name, listener: (data: GatewayEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener as Listener));
    return () => listeners.delete(listener as Listener);
  }

  /** Follows a conversation: `loaded` with its latest messages, then each event once and in order. */
  follow(conversation: string): void {
    this.#input((core) => core.follow(conversation));
  }

  /** Sets the conversations on the screen (at most 16), which receive `typing`. */
  open(conversations: string[]): void {
    this.#input((core) => core.open(conversations));
  }

  /** Subscribes to topics, such as `timeline:home`, on this connection and later ones. */
  subscribe(...topics: string[]): void {
    this.#input((core) => core.subscribe(topics));
  }

  unsubscribe(...topics: string[]): void {
    this.#input((core) => core.unsubscribe(topics));
  }

  /** Sets the users (at most 100) whose `presence` to watch. */
  watch(users: string[]): void {
    this.#input((core) => core.watch(users));
  }

  /**
   * Sends a message: again and again, until the server has stored it (`sent`) or rejected it (`failed`). Resolves with its
   * `client_id` when it is in the outbox, from where it is sent even if the page is closed and opened again. Fails after
   * `stopped`.
   */
  async send(conversation: string, message: NewMessage): Promise<string> {
    const client_id = message.client_id ?? uuid7(this.#env);
    const draft: Draft = { ...message, conversation_id: conversation, client_id };
    await this.#store({ draft });
    return client_id;
  }

  /** Sends a message that has `failed` again. */
  async retry(clientId: string): Promise<void> {
    const found = this.#pending.get(clientId);
    if (found?.error) await this.#store(found);
  }

  /** Deletes a message that was not sent. Returns whether that was possible: one that is being sent cannot be called back. */
  async drop(clientId: string): Promise<boolean> {
    const found = this.#pending.get(clientId);
    if (!found || !(found.error || this.#core?.drop(clientId))) return false;
    await this.#settle(clientId);
    return true;
  }

  /** The messages of this tab that are not sent yet, in order: those that wait and those that have `failed`. */
  pending(): PendingMessage[] {
    return [...this.#pending.values()];
  }

  /** Marks a conversation as read up to a message; sent at most once a second. */
  read(conversation: string, messageNo: number): void {
    this.#input((core) => core.read(conversation, messageNo));
  }

  /** Shows the other members for six seconds that the user is typing. Call it with every key: it is sent every three seconds. */
  typing(conversation: string): void {
    this.#input((core) => core.typing(conversation));
  }

  /**
   * Sends a command that has no method of its own, such as `message.edit`, and returns the reply. Fails with a
   * {@link Problem} if it is rejected (its `status` is 0), and with a {@link NetworkError} if the connection was lost: whether it
   * took effect is unknown.
   */
  command<Op extends "message.edit" | "message.delete" | "history" | "read">(
    op: Op,
    d: Commands[Op],
  ): Promise<ReplyOf<Op>> {
    const ticket = ++this.#tickets;
    return new Promise((resolve, reject) => {
      const settle = (result: CommandResult) => {
        this.#env.clearTimeout(timer);
        this.#replies.delete(ticket);
        if (!result) reject(new NetworkError("connection lost"));
        else if ("err" in result) reject(commandProblem(result.err));
        else resolve(result.ok as ReplyOf<Op>);
      };
      const timer = this.#env.setTimeout(() => settle(null), COMMAND_LIMIT);
      this.#replies.set(ticket, settle);
      if (this.#isOver) settle(null);
      else this.#input((core) => core.command(ticket, op, d));
    });
  }

  /** Connects at once, unless the server has requested to wait. Browsers do so when the device is online again. */
  online(): void {
    this.#input((core) => core.online());
  }

  /** Closes the connection. Messages that were not sent stay in the outbox. */
  close(): void {
    this.#input((core) => core.stop());
    if (!this.#core) this.#end();
  }

  // Start.

  async #start(): Promise<void> {
    const me = this.options.userId ?? (await this.#me());
    if (!me || this.#isOver) return;
    const { http } = this;
    const { followAll = false } = this.options;
    this.#name = `blegram ${http.baseUrl} ${me}`;
    if (!this.options.outbox && this.#env.indexedDB) this.#outbox = indexedDbOutbox(this.#env.indexedDB, this.#name);
    this.#core = new Core({ me, followAll, random: this.#env.random });
    this.#transport = this.#newTransport();
    await (this.#shared?.locked ?? this.#adopt());
    this.#input(() => {});
  }

  /** The account, as soon as the server can be asked. */
  async #me(): Promise<string | undefined> {
    for (let attempt = 0; ; attempt++) {
      try {
        return (await this.http.call<Account>({ method: "GET", path: "/api/v1/me" })).data.id;
      } catch (error) {
        if (this.#isOver) return undefined;
        const { kind, detail, retryAfterMs = 0 } = failureOf(error);
        if (kind !== "temporary") {
          this.#emit("stopped", { reason: detail, sessionEnded: kind === "unauthorized", code: undefined });
          this.#end();
          return undefined;
        }
        this.#emit("warning", { detail: `no account: ${detail}` });
        await sleep(this.#env, retryAfterMs + jitter(attempt, this.#env.random), undefined);
      }
    }
  }

  #newTransport(): Transport {
    const handlers = {
      connected: () => this.#input((core) => core.connected()),
      failed: (failure) => this.#input((core) => core.failed(failure)),
      frame: (frame) => this.#input((core) => core.frame(frame)),
      closed: (code, reason) => this.#input((core) => core.closed(code, reason)),
    } satisfies TransportHandlers;
    const newSocket = (own: TransportHandlers) => {
      this.#socket = new SocketTransport(this.http, own);
      return this.#socket;
    };
    const { locks, BroadcastChannel, origin } = this.#env;
    const { shareTabs = Boolean(origin) && this.http.auth.isShared } = this.options;
    if (!shareTabs || !locks || !BroadcastChannel) return newSocket(handlers);
    const orphaned = () => void this.#adopt();
    this.#shared = new SharedTransport({ ...this.#env, locks }, this.#name, this.#tab, newSocket, {
      ...handlers,
      orphaned,
    });
    return this.#shared;
  }

  /** Takes over what tabs that were closed have not sent. */
  async #adopt(): Promise<void> {
    await this.#serially(async () => {
      const live = await this.#shared?.liveTabs();
      for (const { draft, error, tab } of await this.#outbox.load()) {
        if (live?.has(tab) || this.#pending.has(draft.client_id)) continue;
        await this.#outbox.put({ draft, error, tab: this.#tab });
        this.#setPending({ draft, error });
        if (error) this.#emit("failed", { draft, error });
        else this.#input((core) => core.send(draft));
      }
    });
  }

  // Outbox.

  async #store({ draft }: PendingMessage): Promise<void> {
    await this.#started;
    if (this.#isOver) throw new NetworkError("stopped");
    await this.#serially(() => this.#outbox.put({ draft, tab: this.#tab }));
    this.#pending.delete(draft.client_id);
    this.#setPending({ draft });
    this.#input((core) => core.send(draft));
  }

  #setPending(message?: PendingMessage): void {
    if (message) this.#pending.set(message.draft.client_id, message);
    this.#emit("pending", this.pending());
  }

  #settle(clientId: string): Promise<void> {
    this.#pending.delete(clientId);
    this.#setPending();
    return this.#serially(() => this.#outbox.delete(clientId));
  }

  /** One operation after the other, so that messages stay in order. Without storage, messages are in memory. */
  #serially(work: () => Promise<void>): Promise<void> {
    const result = this.#storing.then(work).catch((error) => {
      this.#emit("warning", { detail: `outbox: ${error}` });
    });
    this.#storing = result;
    return result;
  }

  // Driver: executes what the core decides.

  /** Inputs that arrive while others are processed, for example of a listener, wait for their turn. */
  #input(input: Input): void {
    this.#inputs.push(input);
    const core = this.#core;
    if (!core || this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#inputs.shift(); next && !this.#isOver; next = this.#inputs.shift()) {
        for (const output of core.handle(this.#env.now(), next)) this.#execute(output);
      }
    } finally {
      this.#isRunning = false;
    }
    this.#env.clearTimeout(this.#timer);
    const wake = core.wake();
    if (wake === undefined || this.#isOver) return;
    const wait = Math.min(wake - this.#env.now(), LONGEST_TIMER);
    this.#timer = this.#env.setTimeout(() => this.#input(() => {}), wait);
  }

  #execute(output: Output): void {
    switch (output.type) {
      case "update":
        return this.#update(output.update);
      case "reply":
        return this.#replies.get(output.ticket)?.(output.result);
      case "send":
        return this.#transport?.send(output.frame);
      case "close":
        return this.#transport?.close();
      case "connect":
        return this.#transport?.connect();
      case "refresh":
        return void this.#refresh();
      case "load":
        return void this.#load(output.conversation, output.after);
    }
  }

  async #refresh(): Promise<void> {
    const socket = this.#socket ?? new SocketTransport(this.http, {} as TransportHandlers);
    const credential = await socket.renew().catch(failureOf);
    this.#input((core) => core.token(credential));
  }

  async #load(conversation: string, after: number | undefined): Promise<void> {
    const page = await this.#latest(conversation, after).catch(failureOf);
    this.#input((core) => core.page(conversation, page));
  }

  /** The latest messages, oldest first; with `after`, all messages after that number. */
  async #latest(conversation: string, after: number | undefined): Promise<Page> {
    const limit = after === undefined ? FIRST_PAGE : FULL_PAGE;
    const path = `/api/v1/conversations/${conversation}/messages`;
    const load = async (cursor?: string) =>
      (await this.http.call<MessagePage>({ method: "GET", path, query: { limit, cursor } })).data;
    let page = await load();
    // Of the first page: events that occur while the other pages load must not be missed.
    const { last_seq } = page;
    const messages = [...page.items];
    while (after !== undefined && (messages.at(-1)?.message_no ?? 0) > after + 1 && page.next_cursor) {
      page = await load(page.next_cursor);
      messages.push(...page.items);
    }
    return { messages: messages.reverse(), last_seq };
  }

  #update({ name, data }: Update): void {
    if (name === "sent") void this.#settle(data.draft.client_id);
    if (name === "failed") {
      this.#setPending(data);
      void this.#serially(() => this.#outbox.put({ ...data, tab: this.#tab }));
    }
    if (name === "stopped") this.#end();
    this.#emit(name, data as never);
    if (name === "event" || name === "change") this.#emit(data.ev as never, data.d as never);
  }

  #emit<Name extends keyof GatewayEvents>(name: Name, data: GatewayEvents[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(data as never);
      } catch (error) {
        // A listener that fails must not disturb the connection.
        this.#env.setTimeout(() => {
          throw error;
        }, 0);
      }
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#env.clearTimeout(this.#timer);
    this.#stopWake();
    this.#shared?.dispose();
    for (const settle of [...this.#replies.values()]) settle(null);
  }
}

function commandProblem({ code, detail, errors, retry_after_ms }: CommandError): Problem {
  const retryAfter = retry_after_ms === undefined || retry_after_ms === null ? undefined : retry_after_ms / 1000;
  return new Problem(0, { code, detail, errors: errors ?? null }, retryAfter);
}
