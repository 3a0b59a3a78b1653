// The driver: sockets, tickets, the outbox and the reasons of rejected handshakes.

import { describe, expect, test } from "vitest";
import type { Environment, Socket } from "../../src/environment.js";
import {
  createClient,
  type GatewayOptions,
  memoryOutbox,
  memoryStore,
  type OutboxEntry,
  tokenAuth,
} from "../../src/index.js";
import { FakeLocks, fakeChannels } from "./browser.js";
import { ME, READY } from "./core/world.js";
import { failure, json, Platform, problem, type Request } from "./platform.js";

class FakeSocket {
  onopen: ((event: object) => void) | null = null;
  onmessage: ((event: object) => void) | null = null;
  onclose: ((event: object) => void) | null = null;
  onerror: ((event: object) => void) | null = null;
  readonly sent: { id?: number; op?: string; d?: Record<string, unknown> }[] = [];
  constructor(
    readonly url: string,
    readonly protocols: string[],
    readonly token: string | undefined,
  ) {}
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.onclose?.({ code: 1000, reason: "" });
  }
  frame(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  open(): void {
    this.onopen?.({});
    this.frame({ ev: "ready", d: READY });
  }
  ops(): (string | undefined)[] {
    return this.sent.map(({ op }) => op);
  }
}

const TOKENS = {
  access_token: "a",
  token_type: "Bearer",
  expires_in: 600,
  refresh_token: "r",
  refresh_expires_in: 1000,
};

function respond(more: Record<string, () => Response> = {}) {
  return ({ url }: Request): Response => {
    const { pathname } = new URL(url);
    const path = pathname.replace(/^.*\/api\/v1/, "");
    const found = more[path];
    if (found) return found();
    if (path === "/me") return json(200, { id: ME });
    if (path === "/gateway/tickets") return json(201, { ticket: "t" });
    if (path === "/gateway/status") return json(200, {});
    return json(200, { items: [], last_seq: 0, next_cursor: null });
  };
}

function start(
  options: GatewayOptions & {
    tokens?: boolean;
    responses?: Record<string, () => Response>;
    env?: Partial<Environment>;
  } = {},
) {
  const { tokens = false, responses = {}, env = {}, ...gatewayOptions } = options;
  const sockets: FakeSocket[] = [];
  const platform = new Platform([respond(responses)], {
    openSocket: (url, protocols, token) => {
      sockets.push(new FakeSocket(url, protocols, token));
      return sockets.at(-1) as unknown as Socket;
    },
    ...env,
  });
  const client = createClient({
    baseUrl: "https://example.org/forum",
    environment: platform.environment,
    ...(tokens && { auth: tokenAuth({ store: memoryStore(TOKENS) }) }),
  });
  const gateway = client.gateway(gatewayOptions);
  const log: [string, unknown][] = [];
  for (const name of ["connected", "disconnected", "sent", "failed", "warning", "stopped"] as const) {
    gateway.on(name, (data) => log.push([name, data]));
  }
  return { gateway, platform, sockets, log };
}

describe("connecting", () => {
  test("with a cookie, and with a ticket and a token", async () => {
    const cookie = start();
    await cookie.platform.pass(0);
    expect(cookie.sockets).toMatchObject([
      { url: "wss://example.org/forum/api/v1/gateway", protocols: ["blegram.v1+json"], token: undefined },
    ]);
    const tokens = start({ tokens: true });
    await tokens.platform.pass(0);
    expect(tokens.sockets).toMatchObject([{ protocols: ["blegram.v1+json", "blegram.ticket.t"], token: "a" }]);
  });

  test.each([
    ["login", () => problem(401, "unauthenticated"), "stopped"],
    ["origin", () => problem(403, "csrf-rejected"), "stopped"],
    ["load", () => problem(503, "overloaded", { "retry-after": "3" }), "disconnected"],
  ])("a handshake that is rejected because of the %s", async (_, status, name) => {
    const { platform, sockets, log } = start({
      responses: {
        "/gateway/status": status,
        "/gateway/tickets": status,
        "/auth/csrf": () => json(200, { csrf_token: null }),
      },
    });
    await platform.pass(0);
    sockets[0]!.onclose?.({ code: 1006, reason: "" });
    await platform.settle();
    expect(log.at(-1)?.[0]).toBe(name);
    if (name === "stopped") return;
    await platform.pass(3000);
    expect(sockets).toHaveLength(1);
    await platform.pass(1000);
    expect(sockets).toHaveLength(2);
  });

  test("a handshake without a response is given up after ten seconds", async () => {
    const { platform, sockets, log } = start();
    await platform.pass(9999);
    expect(log).toEqual([]);
    await platform.pass(1);
    expect(log[0]?.[0]).toBe("disconnected");
    await platform.pass(1000);
    expect(sockets).toHaveLength(2);
    // The first one is too late.
    sockets[0]!.open();
    expect(log.map(([name]) => name)).not.toContain("connected");
    sockets[1]!.open();
    sockets[0]!.frame({ re: 1, err: { code: "forbidden", detail: "of the first one" } });
    expect(log.map(([name]) => name)).toEqual(["disconnected", "connected"]);
  });

  test("who is logged in is not asked before Retry-After", async () => {
    const { platform } = start({ responses: { "/me": () => problem(429, "rate-limited", { "retry-after": "300" }) } });
    await platform.pass(299_999);
    expect(platform.requests).toHaveLength(1);
    await platform.pass(1001);
    expect(platform.requests).toHaveLength(2);
  });

  test("who is logged in is asked until the server answers", async () => {
    let isDown = true;
    const { platform, sockets, log } = start({
      responses: { "/me": () => (isDown ? problem(503, "unavailable") : json(200, { id: ME })) },
    });
    await platform.pass(70_000);
    expect(log[0]?.[0]).toBe("warning");
    isDown = false;
    await platform.pass(60_000);
    expect(sockets.length).toBeGreaterThan(0);
    const loggedOut = start({ responses: { "/me": () => problem(401, "unauthenticated") } });
    await loggedOut.platform.pass(0);
    expect(loggedOut.log).toMatchObject([["stopped", { sessionEnded: true }]]);
  });

  test("the login is renewed in band: a token in token mode, a ticket with a cookie", async () => {
    for (const tokens of [true, false]) {
      const { platform, sockets } = start({
        tokens,
        responses: { "/auth/token": () => json(200, { ...TOKENS, access_token: "b" }) },
      });
      await platform.pass(0);
      sockets[0]!.open();
      sockets[0]!.frame({ ev: "auth.expiring", d: { expires_in_ms: 1000 } });
      await platform.settle();
      const auth = sockets[0]!.sent.find(({ op }) => op === "auth");
      expect(auth?.d).toEqual(tokens ? { access_token: "b" } : { ticket: "t" });
    }
  });

  test("a login that is valid for months needs no timer of months", async () => {
    const { platform, sockets } = start();
    await platform.pass(0);
    sockets[0]!.onopen?.({});
    sockets[0]!.frame({ ev: "ready", d: { ...READY, heartbeat_ms: 10 ** 10, auth_expires_in_ms: 10 ** 10 } });
    sockets[0]!.frame({ re: 1, ok: { cursor: "c", heads: [], removed: [], more: false, topics: {}, presence: [] } });
    // A timer of more than 2^31 milliseconds would run at once.
    expect(platform.waits.at(-1)).toBe(3_600_000);
  });

  test("a device that is online again connects at once", async () => {
    let wake = () => {};
    const { platform, sockets } = start({
      env: {
        random: () => 0.99,
        onWake: (listener) => {
          wake = listener;
          return () => {};
        },
      },
    });
    await platform.pass(0);
    sockets[0]!.open();
    sockets[0]!.onclose?.({ code: 1006, reason: "" });
    wake();
    await platform.pass(0);
    expect(sockets).toHaveLength(2);
  });
});

describe("the outbox", () => {
  const entry = (number: number, error?: OutboxEntry["error"]): OutboxEntry => ({
    draft: { conversation_id: "c", client_id: `id${number}`, text: `${number}` },
    tab: "closed",
    error,
  });

  test("what an earlier page has not sent is sent, in order; what failed is reported", async () => {
    const outbox = memoryOutbox();
    await outbox.put(entry(1));
    await outbox.put(entry(2, { code: "no", detail: "no" }));
    await outbox.put(entry(3));
    const { gateway, platform, sockets, log } = start({ outbox, userId: ME });
    await platform.pass(0);
    expect(gateway.pending().map(({ draft, error }) => [draft.text, error?.code])).toEqual([
      ["1", undefined],
      ["2", "no"],
      ["3", undefined],
    ]);
    sockets[0]!.open();
    const sent: unknown[] = [];
    for (let number = 0; number < 2; number++) {
      const { id, d } = sockets[0]!.sent.filter(({ op }) => op === "message.send").at(-1)!;
      sent.push(d?.["client_id"]);
      const ok = { seq: number + 1, message_no: number + 1, id: "m", created_at: "", duplicate: false };
      sockets[0]!.frame({ re: id, ok });
    }
    await platform.settle();
    expect(sent).toEqual(["id1", "id3"]);
    expect(log.map(([name]) => name)).toEqual(["failed", "connected", "sent", "sent"]);
    expect((await outbox.load()).map(({ draft }) => draft.client_id)).toEqual(["id2"]);
    await gateway.retry("id2");
    expect(sockets[0]!.sent.at(-1)?.d).toMatchObject({ client_id: "id2" });
    expect(await gateway.drop("id2")).toBe(false);
  });

  test("what a closed tab has not sent is taken over, what an open one has not is left to it", async () => {
    const outbox = memoryOutbox();
    const locks = new FakeLocks() as never;
    const BroadcastChannel = fakeChannels().FakeChannel as never;
    const tab = async () => {
      const started = start({
        outbox,
        userId: ME,
        shareTabs: true,
        env: { locks, BroadcastChannel, random: Math.random },
      });
      await started.platform.settle();
      return started;
    };
    const [one, two, three] = [await tab(), await tab(), await tab()];
    await two.gateway.send("c", { text: "of an open tab" });
    await three.gateway.send("c", { text: "of a closed tab" });
    const texts = () => one.gateway.pending().map(({ draft }) => draft.text);
    expect(texts()).toEqual([]);
    three.gateway.close();
    await one.platform.settle();
    expect(texts()).toEqual(["of a closed tab"]);
    expect(two.gateway.pending()).toHaveLength(1);
    expect(two.sockets).toHaveLength(0);
  });

  test("each change of the messages that wait is reported: added, taken over, sent, rejected, sent again, dropped", async () => {
    const outbox = memoryOutbox();
    await outbox.put(entry(1));
    const { gateway, platform, sockets } = start({ outbox, userId: ME });
    const reports: string[] = [];
    gateway.on("pending", (pending) =>
      reports.push(pending.map(({ draft, error }) => draft.text + (error ? "!" : "")).join()),
    );
    await platform.pass(0);
    expect(reports).toEqual(["1"]);
    sockets[0]!.open();
    await gateway.send("c", { text: "2" });
    const answer = async (frame: object) => {
      sockets[0]!.frame({ re: sockets[0]!.sent.filter(({ op }) => op === "message.send").at(-1)!.id, ...frame });
      await platform.settle();
    };
    await answer({ ok: { seq: 1, message_no: 1, id: "m", created_at: "", duplicate: false } });
    await answer({ err: { code: "blocked", detail: "no" } });
    const [failed] = gateway.pending();
    await gateway.retry(failed!.draft.client_id);
    await answer({ err: { code: "blocked", detail: "no" } });
    await gateway.drop(failed!.draft.client_id);
    expect(reports).toEqual(["1", "1,2", "2", "2!", "2", "2!", ""]);
  });

  test("a message is stored before it is sent, in the order of the calls", async () => {
    const stored: string[] = [];
    let finish = () => {};
    const outbox = {
      ...memoryOutbox(),
      put: async ({ draft }: OutboxEntry) => {
        stored.push(draft.text ?? "");
        if (draft.text === "one") await new Promise<void>((resolve) => (finish = resolve));
      },
    };
    const { gateway, platform, sockets } = start({ outbox, userId: ME });
    await platform.pass(0);
    sockets[0]!.open();
    void gateway.send("c", { text: "one" });
    void gateway.send("c", { text: "two" });
    await platform.settle();
    expect([stored, sockets[0]!.ops()]).toEqual([["one"], ["sync"]]);
    finish();
    await platform.settle();
    expect(stored).toEqual(["one", "two"]);
    expect(sockets[0]!.sent.at(-1)?.d).toMatchObject({ text: "one" });
  });

  test("storage that fails is reported, and messages are sent all the same", async () => {
    const outbox = { ...memoryOutbox(), put: () => Promise.reject(new Error("the disk is full")) };
    const { gateway, platform, sockets, log } = start({ outbox, userId: ME });
    await platform.pass(0);
    sockets[0]!.open();
    await gateway.send("c", { text: "one" });
    expect(sockets[0]!.ops()).toEqual(["sync", "message.send"]);
    expect(log).toContainEqual(["warning", { detail: expect.stringContaining("the disk is full") }]);
  });
});

describe("the application", () => {
  test("learns the fate of a command, also if there is no reply", async () => {
    const { gateway, platform, sockets } = start({ userId: ME });
    await platform.pass(0);
    sockets[0]!.open();
    const d = { conversation_id: "c", message_id: "m" };
    const rejected = failure(gateway.command("message.delete", d));
    const err = {
      code: "not-found",
      detail: "no such message",
      errors: [{ pointer: "/message_id", code: "x", detail: "y" }],
    };
    sockets[0]!.frame({ re: sockets[0]!.sent.at(-1)!.id, err });
    expect(await rejected).toMatchObject({
      name: "Problem",
      code: "not-found",
      fields: { "/message_id": { code: "x" } },
    });
    const lost = failure(gateway.command("message.delete", d));
    sockets[0]!.onclose?.({ code: 1006, reason: "" });
    expect(await lost).toMatchObject({ name: "NetworkError" });
    const offline = failure(gateway.command("message.delete", d));
    await platform.pass(30_000);
    expect(await offline).toMatchObject({ name: "NetworkError" });
    gateway.close();
    expect(await failure(gateway.command("message.delete", d))).toMatchObject({ name: "NetworkError" });
  });

  test("has listeners that cannot disturb the connection, and can be removed", async () => {
    const { gateway, platform, sockets } = start({ userId: ME });
    const seen: string[] = [];
    gateway.on("typing", () => {
      throw new Error("a bug of the application");
    });
    const stop = gateway.on("typing", ({ user_id }) => seen.push(user_id));
    await platform.pass(0);
    sockets[0]!.open();
    const typing = (user_id: string) => sockets[0]!.frame({ ev: "typing", d: { conversation_id: "c", user_id } });
    typing("bob");
    stop();
    typing("carol");
    expect(seen).toEqual(["bob"]);
    await expect(platform.pass(0)).rejects.toThrow("a bug of the application");
    sockets[0]!.frame({ ping: 1 });
    expect(sockets[0]!.sent.at(-1)).toEqual({ pong: 1, recv: {} });
  });

  test("can act in a listener: frames stay in order", async () => {
    const { gateway, platform, sockets } = start({ userId: ME });
    gateway.on("connected", () => gateway.subscribe("timeline:home"));
    gateway.on("connected", () => void gateway.command("history", { conversation_id: "c", after: 0 }).catch(() => {}));
    await platform.pass(0);
    sockets[0]!.open();
    await platform.pass(20);
    const ids = sockets[0]!.sent.map(({ id }) => id);
    expect(ids).toEqual([...ids].sort());
    expect(sockets[0]!.ops()).toEqual(["sync", "history", "sync"]);
    expect(sockets[0]!.sent.at(-1)?.d).toMatchObject({ topics: ["timeline:home"] });
    gateway.close();
    expect(await failure(gateway.send("c", { text: "too late" }))).toMatchObject({ name: "NetworkError" });
  });

  test("ignores frames that are not JSON, and frames that it does not know", async () => {
    const { platform, sockets, log } = start({ userId: ME });
    await platform.pass(0);
    sockets[0]!.open();
    sockets[0]!.onmessage?.({ data: "not JSON" });
    for (const frame of [{}, { ev: "new.event", d: { x: 1 } }, { re: 99, ok: {} }, []]) sockets[0]!.frame(frame);
    expect(log.map(([name]) => name)).toEqual(["connected"]);
  });

  test("stops for good", async () => {
    const { gateway, platform, sockets, log } = start({ userId: ME });
    await platform.pass(0);
    sockets[0]!.open();
    gateway.close();
    await platform.pass(100_000);
    expect(log.at(-1)).toMatchObject(["stopped", { sessionEnded: false }]);
    expect(sockets).toHaveLength(1);
    const early = start();
    early.gateway.close();
    await early.platform.pass(100_000);
    expect(early.sockets).toHaveLength(0);
  });
});
