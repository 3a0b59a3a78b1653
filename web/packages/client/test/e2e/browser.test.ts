// The client in Chromium: one or more tabs of one browser, against the real server.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../src/index.js";
import { PHOTO_BASE64 } from "./photo.js";
import { PASSWORD, Server, unique } from "./server.js";

const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

let server: Server;
let browser: Browser;
let bundle: string;
const contexts: BrowserContext[] = [];

beforeAll(async () => {
  const entry = fileURLToPath(new URL("page.ts", import.meta.url));
  const built = await build({ entryPoints: [entry], bundle: true, write: false, target: "es2022", format: "iife" });
  bundle = built.outputFiles[0]?.text ?? "";
  server = await Server.start();
  // In a container, where root runs the tests, Chromium has no sandbox. Pages that a test serves itself count as public, and
  // could not reach a server on this machine.
  const args = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"];
  browser = await chromium.launch({ executablePath: EXECUTABLE, args });
});
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close();
});
afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** A browser of its own. The application's page is on the site of the server, even while the server is down. */
async function newBrowser(): Promise<BrowserContext> {
  const context = await browser.newContext();
  contexts.push(context);
  await context.route(`${server.url}/app`, (route) =>
    route.fulfill({ contentType: "text/html", body: "<!doctype html><title>app</title><script src=/app.js></script>" }),
  );
  await context.route(`${server.url}/app.js`, (route) =>
    route.fulfill({ contentType: "text/javascript", body: bundle }),
  );
  return context;
}

async function newTab(context: BrowserContext, mode: "cookie" | "token" = "cookie"): Promise<Page> {
  const page = await context.newPage();
  await load(page, mode);
  return page;
}

async function load(page: Page, mode: "cookie" | "token" = "cookie"): Promise<void> {
  await page.goto(`${server.url}/app`);
  await page.evaluate((mode) => {
    window.app = window.start(mode);
  }, mode);
}

async function signUp(page: Page, username: string): Promise<string> {
  const body = { username, password: PASSWORD };
  return page.evaluate(async (body) => (await window.app.client.auth.signUp(body)).account.id, body);
}

/** Bob, outside of the browser, and a conversation with the user of the browser. */
async function withBob(page: Page): Promise<{ me: string; bob: Client; id: string; ann: string }> {
  const [ann, name] = [unique("ann"), unique("bob")];
  const me = await signUp(page, ann);
  const bob = await server.client(name);
  const { id } = await bob.conversations.create({ members: [`@${ann}`] });
  await bob.users.follow(`@${ann}`);
  await page.evaluate((name) => window.app.client.users.follow(name), `@${name}`);
  await bob.conversations.sendMessage(id, { client_id: crypto.randomUUID(), text: "0" });
  return { me, bob, id, ann };
}

const open = (page: Page, id: string) => page.evaluate((id) => window.app.open(id), id);
const send = (page: Page, id: string, texts: string[]) =>
  page.evaluate(([id, texts]) => window.app.sendAll(id, texts), [id, texts] as const);
const connected = (page: Page) => page.waitForFunction(() => window.app.isConnected);
const shows = (page: Page, count: number) => page.waitForFunction((count) => window.app.texts().length >= count, count);
const numbers = (from: number, to: number) => [...Array(to - from + 1).keys()].map((number) => `${from + number}`);

async function expectTexts(page: Page, expected: string[]): Promise<void> {
  await shows(page, expected.length);
  expect(await page.evaluate(() => [window.app.texts(), window.app.repeated])).toEqual([expected, 0]);
}

/** Counts the sockets that a tab has open. */
function countSockets(page: Page): () => number {
  const open = new Set<object>();
  page.on("websocket", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  return () => open.size;
}

describe("one tab", () => {
  test("a cookie session: posts, uploads with progress, pages, logout", async () => {
    const page = await newTab(await newBrowser());
    await signUp(page, unique("ann"));
    const result = await page.evaluate(async (photo) => {
      const { client } = window.app;
      const file = await (await fetch(`data:image/png;base64,${photo}`)).blob();
      const progress: [number, number][] = [];
      const post = await client.posts.create(
        { text: "노을 #제주", media: [{ file, alt: "해 질 녘의 바다" }] },
        { onProgress: (sent, total) => progress.push([sent, total]) },
      );
      const direct = await client.media.uploadDirect(
        { file, alt: "산" },
        { onProgress: (...now) => progress.push(now) },
      );
      const abort = new AbortController();
      const big = new Blob([file, new Uint8Array(4_000_000)], { type: "image/png" });
      const onProgress = () => abort.abort();
      const aborted = await client.media.upload(big, { signal: abort.signal, onProgress }).catch((error) => error.name);
      const texts = [];
      for await (const { text } of client.timelines.home()) texts.push(text);
      await client.auth.logOut();
      const error = await client.users.getMe().catch((error) => `${error.name} ${error.status}`);
      return { post, direct, aborted, texts, progress, error, size: file.size };
    }, PHOTO_BASE64);
    expect(result.post.media[0]?.alt).toBe("해 질 녘의 바다");
    expect(result.direct.alt).toBe("산");
    expect(result.aborted).toBe("AbortError");
    expect(result.texts).toEqual(["노을 #제주"]);
    expect(result.progress.some(([sent, total]) => sent === total && total > result.size)).toBe(true);
    expect(result.progress.at(-1)).toEqual([result.size, result.size]);
    expect(result.error).toBe("Problem 401");
  });

  test("a page of a trusted origin of the same site uses the cookie; an untrusted one is rejected", async () => {
    const other = await Server.start({ BLEGRAM_SERVER__TRUSTED_ORIGINS: server.url });
    const page = await newTab(await newBrowser());
    const call = (baseUrl: string) =>
      page.evaluate(
        async ([baseUrl, username, password]) => {
          const { createClient } = window;
          const client = createClient({ baseUrl, limits: { call: 2000 } });
          return client.auth.signUp({ username, password }).then(
            async () => (await client.posts.create({ text: "다른 출처" })).text,
            (error) => error.name,
          );
        },
        [baseUrl, unique("ann"), PASSWORD] as const,
      );
    expect(await call(other.url)).toBe("다른 출처");
    const untrusted = await Server.start();
    expect(await call(untrusted.url)).toBe("NetworkError");
    await Promise.all([other.stop(), untrusted.stop()]);
  });

  test("messages survive the reload of the page while the server is down", async () => {
    const page = await newTab(await newBrowser());
    const { bob, id } = await withBob(page);
    await open(page, id);
    await shows(page, 1);
    await connected(page);
    await server.kill();
    await send(page, id, numbers(1, 3));
    await load(page);
    await open(page, id);
    await server.restart();
    await expectTexts(page, numbers(0, 3));
    await load(page);
    await open(page, id);
    await expectTexts(page, numbers(0, 3));
    const stored = await bob.conversations.listMessages(id).take(10);
    expect(stored.map(({ text }) => text)).toEqual(numbers(0, 3).reverse());
  });

  test("messages are sent when the device is online again", async () => {
    const context = await newBrowser();
    const page = await newTab(context);
    const { bob, id } = await withBob(page);
    await open(page, id);
    await connected(page);
    await context.setOffline(true);
    await send(page, id, numbers(1, 2));
    await context.setOffline(false);
    await expectTexts(page, numbers(0, 2));
    await bob.conversations.sendMessage(id, { client_id: crypto.randomUUID(), text: "3" });
    await expectTexts(page, numbers(0, 3));
  });
});

describe("several tabs", () => {
  test("share one socket, and each shows everything once; a closed leader hands over", async () => {
    const context = await newBrowser();
    const first = await newTab(context);
    const { bob, id } = await withBob(first);
    const tabs = [first, await newTab(context), await newTab(context)];
    const sockets = tabs.map(countSockets);
    for (const page of tabs) {
      await open(page, id);
      await connected(page);
    }
    expect(sockets.map((count) => count())).toEqual([1, 0, 0]);

    const texts = ["0"];
    for (const [index, page] of tabs.entries()) {
      texts.push(`tab ${index}`);
      await send(page, id, [`tab ${index}`]);
      for (const other of tabs) await shows(other, texts.length);
    }
    for (const page of tabs) await expectTexts(page, texts);

    await first.close();
    const rest = tabs.slice(1);
    texts.push("after");
    await bob.conversations.sendMessage(id, { client_id: crypto.randomUUID(), text: "after" });
    for (const page of rest) await expectTexts(page, texts);
    for (const page of rest) await connected(page);
    expect(sockets.slice(1).reduce((sum, count) => sum + count(), 0)).toBe(1);
  });

  test("what a closed tab has not sent is sent by another one", async () => {
    const context = await newBrowser();
    const first = await newTab(context);
    const { bob, id } = await withBob(first);
    const second = await newTab(context);
    for (const page of [first, second]) await open(page, id);
    for (const page of [first, second]) await connected(page);
    await server.kill();
    await send(first, id, ["1", "2"]);
    await send(second, id, ["3"]);
    await first.close();
    await server.restart();
    await shows(second, 4);
    const stored = await bob.conversations.listMessages(id).take(10);
    expect(stored.map(({ text }) => text).sort()).toEqual(numbers(0, 3));
  });

  test("the server is killed and restarted: nothing is lost or doubled in any tab", async () => {
    const context = await newBrowser();
    const first = await newTab(context);
    const { bob, id } = await withBob(first);
    const tabs = [first, await newTab(context)];
    for (const page of tabs) await open(page, id);
    for (const page of tabs) await connected(page);
    const expected = ["0"];
    for (let round = 0; round < 2; round++) {
      const sending = tabs.map((page, tab) =>
        send(
          page,
          id,
          numbers(0, 5).map((number) => `${round} ${tab} ${number}`),
        ),
      );
      await server.kill();
      await Promise.all(sending);
      await server.restart();
      expected.push(...[0, 1].flatMap((tab) => numbers(0, 5).map((number) => `${round} ${tab} ${number}`)));
      for (const page of tabs) await shows(page, expected.length);
    }
    const displayed = await Promise.all(tabs.map((page) => page.evaluate(() => window.app.texts())));
    expect(displayed[0]).toEqual(displayed[1]);
    expect([...(displayed[0] ?? [])].sort()).toEqual(expected.sort());
    for (const page of tabs) expect(await page.evaluate(() => window.app.repeated)).toBe(0);
    const stored = await bob.conversations.listMessages(id, { limit: 100 }).take(100);
    expect(stored.map(({ text }) => text).reverse()).toEqual(displayed[0]);
  });

  test("a logout in one tab ends the session in all", async () => {
    const context = await newBrowser();
    const first = await newTab(context);
    const { id } = await withBob(first);
    const second = await newTab(context);
    for (const page of [first, second]) await open(page, id);
    for (const page of [first, second]) await connected(page);
    await second.evaluate(() => window.app.client.auth.logOut());
    for (const page of [first, second]) {
      await page.waitForFunction(() => window.app.stopped);
      expect(await page.evaluate(() => window.app.stopped)).toMatchObject({ sessionEnded: true });
    }
  });

  test("a tab takes over from a leader that is frozen", async () => {
    const context = await newBrowser();
    const first = await newTab(context);
    const { bob, id } = await withBob(first);
    await open(first, id);
    await connected(first);
    // A frozen page runs no script, but has its locks.
    const client = await context.newCDPSession(first);
    await client.send("Debugger.enable");
    await client.send("Debugger.pause");
    const second = await newTab(context);
    await open(second, id);
    await connected(second);
    await bob.conversations.sendMessage(id, { client_id: crypto.randomUUID(), text: "1" });
    await expectTexts(second, numbers(0, 1));
    await client.send("Debugger.resume");
    await expectTexts(first, numbers(0, 1));
  });
});

describe("tokens", () => {
  test("tabs with expired tokens share one refresh, and connect with tickets", async () => {
    const context = await newBrowser();
    let refreshes = 0;
    await context.route("**/api/v1/auth/token", (route) => {
      refreshes++;
      return route.continue();
    });
    const first = await newTab(context, "token");
    const { bob, id, me } = await withBob(first);
    await first.evaluate(async () => {
      const { store } = window.app;
      const tokens = await store.load();
      if (tokens) await store.save({ ...tokens, access_token: "expired" });
    });
    const tabs = [await newTab(context, "token"), await newTab(context, "token")];
    const ids = await Promise.all(
      tabs.map((page) => page.evaluate(async () => (await window.app.client.users.getMe()).id)),
    );
    expect(ids).toEqual([me, me]);
    expect(refreshes).toBe(1);
    for (const page of tabs) await open(page, id);
    for (const page of tabs) await connected(page);
    await bob.conversations.sendMessage(id, { client_id: crypto.randomUUID(), text: "1" });
    for (const page of tabs) await expectTexts(page, numbers(0, 1));
  });
});
