// One socket for several tabs.

import { describe, expect, test } from "vitest";
import type { ClientFrame, ServerFrame } from "../../src/gateway/io.js";
import type { Transport, TransportHandlers } from "../../src/gateway/socket.js";
import { SharedTransport } from "../../src/gateway/tabs.js";
import { FakeLocks, fakeChannels } from "./browser.js";
import { READY } from "./core/world.js";
import { Platform } from "./platform.js";

type Command = Extract<ClientFrame, { op: string }>;

/** A socket that the test answers. */
class FakeSocket implements Transport {
  readonly sent: ClientFrame[] = [];
  connects = 0;
  closes = 0;
  constructor(
    readonly tab: string,
    readonly handlers: TransportHandlers,
  ) {}
  connect(): void {
    this.connects++;
  }
  send(frame: ClientFrame): void {
    this.sent.push(frame);
  }
  close(): void {
    this.closes++;
  }
  open(): void {
    this.handlers.connected();
    this.handlers.frame({ ev: "ready", d: READY as unknown as Record<string, unknown> });
  }
  commands(): Command[] {
    return this.sent.filter((frame): frame is Command => "op" in frame);
  }
}

class Tab {
  readonly log: unknown[] = [];
  readonly frames: ServerFrame[] = [];
  /** The tabs that were open when unsent messages were looked for. */
  live: string[] = [];
  readonly transport: SharedTransport;
  constructor(
    browser: FakeBrowser,
    readonly name: string,
  ) {
    const environment = {
      ...browser.platform.environment,
      locks: browser.locks as never,
      BroadcastChannel: browser.FakeChannel as never,
    };
    const newSocket = (handlers: TransportHandlers) => {
      const socket = new FakeSocket(name, handlers);
      browser.sockets.push(socket);
      return socket;
    };
    this.transport = new SharedTransport(environment, "blegram", name, newSocket, {
      connected: () => this.log.push("connected"),
      failed: ({ kind }) => this.log.push(`failed ${kind}`),
      closed: (code, reason) => this.log.push(code ? `closed ${code}` : `closed ${reason}`),
      frame: (frame) => this.frames.push(frame),
      orphaned: () => {
        this.log.push("orphaned");
        void this.transport.liveTabs().then((tabs) => {
          this.live = [...tabs];
        });
      },
    });
  }
  sync(id: number, open: string[], topics: string[], presence: string[] = []): void {
    this.transport.send({ id, op: "sync", d: { open, topics, presence } });
  }
}

class FakeBrowser {
  readonly platform = new Platform([]);
  readonly locks = new FakeLocks();
  readonly #channels = fakeChannels();
  readonly FakeChannel = this.#channels.FakeChannel;
  readonly sockets: FakeSocket[] = [];

  async tab(name: string): Promise<Tab> {
    const tab = new Tab(this, name);
    await this.platform.settle();
    return tab;
  }

  /** Stops the script of the tab that was opened as number `index`. */
  freeze(index: number, isFrozen = true): void {
    [...this.#channels.channels][index]!.isFrozen = isFrozen;
  }

  /** Tabs that are connected over the first one. */
  async tabs(...names: string[]): Promise<Tab[]> {
    const tabs: Tab[] = [];
    for (const name of names) tabs.push(await this.tab(name));
    for (const tab of tabs) tab.transport.connect();
    await this.platform.settle();
    this.sockets[0]!.open();
    await this.platform.settle();
    for (const tab of tabs) tab.log.splice(0);
    return tabs;
  }
}

describe("the connection", () => {
  test("is one for all tabs, also for those that come later", async () => {
    const browser = new FakeBrowser();
    const [one, two] = await browser.tabs("one", "two");
    const three = await browser.tab("three");
    three.transport.connect();
    await browser.platform.settle();
    expect(browser.sockets).toHaveLength(1);
    expect(browser.sockets[0]).toMatchObject({ tab: "one", connects: 1 });
    expect(three.log).toEqual(["connected"]);
    // Only the tab with the socket renews the credential.
    const expiry = ({ frames: [ready] }: Tab) => ready?.d?.["auth_expires_in_ms"] as number;
    expect(expiry(one!)).toBe(600_000);
    for (const tab of [two!, three]) expect(expiry(tab)).toBeGreaterThan(1e12);
  });

  test("ends for all with its code, and fails for all", async () => {
    const browser = new FakeBrowser();
    const [one, two] = await browser.tabs("one", "two");
    browser.sockets[0]!.handlers.closed(4500, "logged out");
    await browser.platform.settle();
    expect([one!.log, two!.log]).toEqual([["closed 4500"], ["closed 4500"]]);
    for (const tab of [one!, two!]) tab.transport.connect();
    await browser.platform.settle();
    browser.sockets[0]!.handlers.failed({ kind: "unauthorized", detail: "" });
    await browser.platform.settle();
    for (const tab of [one!, two!]) expect(tab.log.at(-1)).toBe("failed unauthorized");
    expect(browser.sockets[0]!.connects).toBe(2);
  });

  test("is taken over when its tab is closed, and its unsent messages are looked for", async () => {
    const browser = new FakeBrowser();
    const [one, two, three] = await browser.tabs("one", "two", "three");
    one!.transport.dispose();
    await browser.platform.settle();
    expect(browser.sockets[0]!.closes).toBeGreaterThan(0);
    expect(two!.log).toContain("orphaned");
    expect(three!.log[0]).toMatch(/^closed/);
    for (const tab of [two!, three!]) tab.transport.connect();
    await browser.platform.settle();
    browser.sockets[1]!.open();
    await browser.platform.settle();
    for (const tab of [two!, three!]) expect(tab.log.at(-1)).toBe("connected");
    expect(two!.live.sort()).toEqual(["three", "two"]);
    two!.log.splice(0);
    three!.transport.dispose();
    await browser.platform.settle();
    expect(two!.log).toEqual(["orphaned"]);
    expect(two!.live).toEqual(["two"]);
  });

  test("is taken over from a frozen tab after three seconds, and that one follows when it is back", async () => {
    const browser = new FakeBrowser();
    const [one] = await browser.tabs("one");
    browser.freeze(0);
    const two = await browser.tab("two");
    two.transport.connect();
    await browser.platform.pass(2999);
    expect(browser.sockets).toHaveLength(1);
    await browser.platform.pass(1);
    expect(browser.sockets[1]).toMatchObject({ tab: "two", connects: 1 });
    browser.sockets[1]!.open();
    browser.freeze(0, false);
    await browser.platform.settle();
    expect(browser.sockets[0]!.closes).toBe(1);
    expect(one!.log.at(-1)).toMatch(/^closed/);
    one!.transport.connect();
    await browser.platform.settle();
    expect(one!.log.at(-1)).toBe("connected");
    expect(browser.sockets).toHaveLength(2);
  });
});

describe("commands", () => {
  test("have ids of the socket, and each reply goes to its tab with its own id", async () => {
    const browser = new FakeBrowser();
    const [one, two] = await browser.tabs("one", "two");
    one!.transport.send({ id: 1, op: "history", d: { conversation_id: "a" } });
    two!.transport.send({ id: 1, op: "history", d: { conversation_id: "b" } });
    await browser.platform.settle();
    const [first, second] = browser.sockets[0]!.commands();
    expect(first!.id).not.toBe(second!.id);
    browser.sockets[0]!.handlers.frame({ re: second!.id, ok: "b" });
    browser.sockets[0]!.handlers.frame({ re: first!.id, ok: "a" });
    await browser.platform.settle();
    expect(one!.frames.at(-1)).toEqual({ re: 1, ok: "a" });
    expect(two!.frames.at(-1)).toEqual({ re: 1, ok: "b" });
    expect(one!.frames.filter(({ re }) => re !== undefined)).toHaveLength(1);
  });

  test("that set something for the whole connection set what any tab wants", async () => {
    const browser = new FakeBrowser();
    const [one, two] = await browser.tabs("one", "two");
    const { commands } = { commands: () => browser.sockets[0]!.commands() };
    one!.sync(1, ["a"], ["timeline:home", "user:1"], ["u1"]);
    two!.sync(1, ["b"], ["timeline:home"], ["u2"]);
    await browser.platform.settle();
    expect(commands().at(-1)?.d).toEqual({
      open: ["b", "a"],
      topics: ["timeline:home", "user:1"],
      presence: ["u2", "u1"],
    });
    // The other tab still wants it.
    one!.transport.send({ id: 2, op: "unsubscribe", d: { topics: ["timeline:home"] } });
    await browser.platform.settle();
    expect(one!.frames.at(-1)).toEqual({ re: 2, ok: { topics: {} } });
    expect(commands()).toHaveLength(2);
    two!.transport.dispose();
    await browser.platform.settle();
    expect(commands().at(-1)).toMatchObject({ op: "unsubscribe", d: { topics: ["timeline:home"] } });
  });

  test("of a tab that crashed are dropped, and so are its topics", async () => {
    const browser = new FakeBrowser();
    const [, two] = await browser.tabs("one", "two");
    two!.sync(1, [], ["user:2"]);
    await browser.platform.settle();
    browser.freeze(1);
    two!.transport.dispose();
    await browser.platform.settle();
    expect(browser.sockets[0]!.commands().at(-1)).toMatchObject({ op: "unsubscribe", d: { topics: ["user:2"] } });
  });

  test("of all tabs together keep the rate of the connection", async () => {
    const browser = new FakeBrowser();
    const [one, two] = await browser.tabs("one", "two");
    for (let id = 1; id <= 20; id++) for (const tab of [one!, two!]) tab.transport.send({ id, op: "history", d: {} });
    await browser.platform.settle();
    expect(browser.sockets[0]!.commands()).toHaveLength(20);
    await browser.platform.pass(199);
    expect(browser.sockets[0]!.commands()).toHaveLength(20);
    await browser.platform.pass(1);
    expect(browser.sockets[0]!.commands()).toHaveLength(21);
    await browser.platform.pass(4000);
    expect(browser.sockets[0]!.commands()).toHaveLength(40);
  });

  test("of a tab without a connection are not sent", async () => {
    const browser = new FakeBrowser();
    const [, two] = await browser.tabs("one", "two");
    two!.transport.close();
    two!.transport.send({ id: 1, op: "history", d: {} });
    await browser.platform.settle();
    expect(browser.sockets[0]!.commands()).toEqual([]);
  });
});

describe("events", () => {
  test("of topics, typing and presence go to the tabs that asked for them, others to all", async () => {
    const browser = new FakeBrowser();
    const [one, two] = await browser.tabs("one", "two");
    one!.sync(1, ["a"], ["user:1"], ["u1"]);
    two!.sync(1, ["b"], ["user:2"], ["u2"]);
    await browser.platform.settle();
    const { handlers } = browser.sockets[0]!;
    const events = [
      { ev: "post.created", d: { topic: "user:1" } },
      { ev: "typing", d: { conversation_id: "b" } },
      { ev: "presence", d: { user_id: "u2" } },
      { ev: "message.created", d: { conversation_id: "c", seq: 1 } },
      { ev: "auth.expiring", d: {} },
      { ev: "reconnect", d: { after_ms: 1 } },
    ];
    for (const event of events) handlers.frame(event);
    await browser.platform.settle();
    const names = ({ frames }: Tab) => frames.flatMap(({ ev }) => (ev && ev !== "ready" ? [ev] : []));
    expect(names(one!)).toEqual(["post.created", "message.created", "auth.expiring", "reconnect"]);
    expect(names(two!)).toEqual(["typing", "presence", "message.created"]);
  });

  test("of a leader that was frozen and is none any more are ignored", async () => {
    const browser = new FakeBrowser();
    const [, two] = await browser.tabs("one", "two");
    const report = (by: string) => ({ type: "frame", to: "two", by, frame: { ev: "degraded", d: { degraded: true } } });
    const channel = new browser.FakeChannel("blegram");
    channel.postMessage(report("zero"));
    await browser.platform.settle();
    expect(two!.frames.map(({ ev }) => ev)).toEqual(["ready"]);
    channel.postMessage(report("one"));
    await browser.platform.settle();
    expect(two!.frames.map(({ ev }) => ev)).toEqual(["ready", "degraded"]);
  });

  test("a ping is answered once, with what all tabs received", async () => {
    const browser = new FakeBrowser();
    const [one, two] = await browser.tabs("one", "two");
    const socket = browser.sockets[0]!;
    two!.transport.send({ pong: 0, recv: { a: 5, b: 1 } });
    await browser.platform.settle();
    expect(socket.sent).toEqual([]);
    socket.handlers.frame({ ping: 7 });
    one!.transport.send({ pong: 7, recv: { a: 3, c: 2 } });
    two!.transport.send({ pong: 7, recv: { a: 6 } });
    await browser.platform.settle();
    expect(socket.sent).toEqual([{ pong: 7, recv: { a: 5, b: 1, c: 2 } }]);
  });
});
