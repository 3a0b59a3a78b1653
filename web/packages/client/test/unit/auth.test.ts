// Sessions by cookie and by tokens.

import { describe, expect, test } from "vitest";
import { cookieAuth, createClient, memoryStore, type TokenStore, type Tokens, tokenAuth } from "../../src/index.js";
import { failure, json, Platform, problem, type Request } from "./platform.js";

const tokens = (number: number, expires_in = 600): Tokens => ({
  access_token: `access${number}`,
  token_type: "Bearer",
  expires_in,
  refresh_token: `refresh${number}`,
  refresh_expires_in: 10_000,
});
const authorization = ({ headers }: Request) => headers["authorization"];

describe("cookies", () => {
  test("are sent to the site, and not to the storage of another one", async () => {
    const upload = { id: "u", url: "https://storage.example/put", method: "PUT", headers: {} };
    const platform = new Platform([() => json(201, upload), () => new Response(null), () => json(200, { id: "m" })]);
    const client = createClient({ environment: platform.environment });
    await client.media.uploadDirect(new Blob(["x"], { type: "image/png" }));
    expect(platform.requests.map(({ credentials }) => credentials)).toEqual(["include", "omit", "include"]);
    expect(platform.requests.every((request) => authorization(request) === undefined)).toBe(true);
  });

  test("a rejected write is repeated once with the token of the session, and so are later ones at once", async () => {
    const platform = new Platform([
      () => problem(403, "csrf-rejected"),
      () => json(200, { csrf_token: "t1" }),
      () => json(201, { id: "p" }),
    ]);
    const client = createClient({ auth: cookieAuth(), environment: platform.environment });
    await client.reports.create({ reason: "spam" } as never);
    await client.reports.create({ reason: "spam" } as never);
    const sent = platform.requests.map(({ url, headers }) => [new URL(url).pathname, headers["x-csrf-token"]]);
    expect(sent).toEqual([
      ["/api/v1/reports", undefined],
      ["/api/v1/auth/csrf", undefined],
      ["/api/v1/reports", "t1"],
      ["/api/v1/reports", "t1"],
    ]);
  });

  test("a page that is not trusted is rejected, without an endless repetition", async () => {
    const rejected = () => problem(403, "csrf-rejected");
    const platform = new Platform([rejected, () => json(200, { csrf_token: "t1" }), rejected]);
    const client = createClient({ environment: platform.environment });
    expect(await failure(client.posts.like("p"))).toMatchObject({ code: "csrf-rejected" });
    expect(platform.requests).toHaveLength(3);
    // The same token again does not help.
    const stale = new Platform([
      rejected,
      () => json(200, { csrf_token: "t1" }),
      () => json(200, {}),
      rejected,
      () => json(200, { csrf_token: "t1" }),
    ]);
    const other = createClient({ environment: stale.environment });
    await other.posts.like("p");
    expect(await failure(other.posts.like("p"))).toMatchObject({ code: "csrf-rejected" });
    expect(stale.requests).toHaveLength(5);
  });

  test("the token of an earlier session is dropped with the next login", async () => {
    const platform = new Platform([
      () => problem(403, "csrf-rejected"),
      () => json(200, { csrf_token: "t1" }),
      () => json(200, {}),
    ]);
    const client = createClient({ environment: platform.environment });
    await client.posts.like("p");
    await client.auth.logIn({ login: "ann", password: "x" });
    await client.posts.like("p");
    expect(platform.requests.at(-1)?.headers).not.toHaveProperty("x-csrf-token");
  });
});

describe("tokens", () => {
  function clientOf(platform: Platform, store: TokenStore = memoryStore(tokens(1)), onEnd?: () => void) {
    const auth = tokenAuth({ store, ...(onEnd && { onEnd }) });
    return createClient({ auth, environment: platform.environment });
  }

  test("a login stores them before they are used, and a logout deletes them", async () => {
    const saved: (string | undefined)[] = [];
    const store = { load: () => null, save: (next: Tokens | null) => void saved.push(next?.access_token) };
    const platform = new Platform([() => json(200, { account: {}, tokens: tokens(1) }), () => new Response(null)]);
    const client = clientOf(platform, store);
    await client.auth.logIn({ login: "ann", password: "x" });
    await client.users.getMe();
    await client.auth.logOut();
    await client.instance.get();
    expect(platform.requests.map(authorization)).toEqual([undefined, "Bearer access1", "Bearer access1", undefined]);
    expect(platform.requests[0]?.body).toMatchObject({ client: "native" });
    expect(saved).toEqual(["access1", undefined]);
  });

  test("they are not sent to other sites", async () => {
    const platform = new Platform([() => json(200, {})]);
    const client = clientOf(platform);
    await client.raw("GET", "https://storage.example/file" as never);
    await client.users.getMe();
    expect(platform.requests.map(authorization)).toEqual([undefined, "Bearer access1"]);
  });

  test("new ones are not used before they are stored", async () => {
    let finish = () => {};
    const store = {
      load: () => tokens(1),
      save: () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    };
    const platform = new Platform([
      () => problem(401, "unauthenticated"),
      () => json(200, tokens(2)),
      () => json(200, { id: "me" }),
    ]);
    const result = clientOf(platform, store).users.getMe();
    await platform.settle();
    expect(platform.requests).toHaveLength(2);
    finish();
    expect(await result).toEqual({ id: "me" });
    expect(authorization(platform.requests[2]!)).toBe("Bearer access2");
  });

  test("they are refreshed by the monotonic clock, shortly before they expire", async () => {
    const platform = new Platform([
      () => json(200, { account: {}, tokens: tokens(1, 600) }),
      () => json(200, {}),
      () => json(200, tokens(2)),
      () => json(200, {}),
    ]);
    const client = clientOf(platform, memoryStore());
    await client.auth.logIn({ login: "ann", password: "x" });
    platform.now = 594_000;
    await client.users.getMe();
    platform.now = 595_001;
    await client.users.getMe();
    expect(platform.requests.map(authorization)).toEqual([undefined, "Bearer access1", undefined, "Bearer access2"]);
    expect(platform.requests[2]?.body).toEqual({ grant_type: "refresh_token", refresh_token: "refresh1" });
  });

  test("many calls that are rejected share one refresh, and are repeated once", async () => {
    let refreshes = 0;
    const respond = (request: Request) => {
      if (!request.url.endsWith("/auth/token")) {
        return authorization(request) === "Bearer access2" ? json(200, { id: "me" }) : problem(401, "unauthenticated");
      }
      refreshes++;
      return json(200, tokens(2));
    };
    const platform = new Platform([respond]);
    const client = clientOf(platform);
    const all = await Promise.all([...Array(10)].map(() => client.users.getMe()));
    expect(all).toHaveLength(10);
    expect(refreshes).toBe(1);
  });

  test("a call that is rejected again fails", async () => {
    const platform = new Platform([
      () => problem(401, "unauthenticated"),
      () => json(200, tokens(2)),
      () => problem(401, "unauthenticated"),
    ]);
    expect(await failure(clientOf(platform).users.getMe())).toMatchObject({ status: 401 });
    expect(platform.requests).toHaveLength(3);
  });

  test("a refresh whose response was lost is repeated with the same token", async () => {
    const platform = new Platform([
      () => problem(401, "unauthenticated"),
      () => Promise.reject(new TypeError("lost")),
      () => problem(503, "overloaded"),
      () => json(200, tokens(2)),
      () => json(200, {}),
    ]);
    const result = clientOf(platform).users.getMe();
    await platform.pass(10_000);
    await result;
    const used = platform.requests.slice(1, 4).map(({ body }) => (body as { refresh_token: string }).refresh_token);
    expect(used).toEqual(["refresh1", "refresh1", "refresh1"]);
  });

  test("a refresh that the server rejects ends the session once; any other failure does not", async () => {
    const page = (status: number) => () => new Response("<html>Log in to the network</html>", { status });
    for (const [answer, ends] of [
      [() => problem(401, "invalid-grant"), 1],
      [() => problem(403, "account-suspended"), 1],
      [() => problem(503, "unavailable"), 0],
      [page(200), 0],
      [page(403), 0],
    ] as const) {
      let ended = 0;
      const store = memoryStore(tokens(1));
      const platform = new Platform([
        (request) => (request.url.endsWith("/token") ? answer() : problem(401, "unauthenticated")),
      ]);
      const client = clientOf(platform, store, () => ended++);
      const errors = Promise.all([failure(client.users.getMe()), failure(client.users.getMe())]);
      await platform.pass(100_000);
      await errors;
      expect(ended).toBe(ends);
      expect((await store.load()) === null).toBe(ends === 1);
    }
  });

  test("another tab's refresh is used, under a lock where there are locks", async () => {
    const names: string[] = [];
    const locks = {
      request: async (name: string, run: () => Promise<void>) => {
        names.push(name);
        stored = tokens(2);
        await run();
      },
    };
    let stored: Tokens | null = tokens(1);
    const store = { load: () => stored, save: () => {} };
    const platform = new Platform([() => problem(401, "unauthenticated"), () => json(200, {})], {
      locks: locks as never,
    });
    await clientOf(platform, store).users.getMe();
    expect(platform.requests.map(authorization)).toEqual(["Bearer access1", "Bearer access2"]);
    expect(names).toEqual(["blegram.refresh https://example.org"]);
  });

  test("a caller can give up waiting for a refresh that others share", async () => {
    const controller = new AbortController();
    let answer = (_: Response) => {};
    const platform = new Platform([
      () => json(200, { account: {}, tokens: tokens(1, 1) }),
      () => new Promise((resolve) => (answer = resolve)),
      () => json(200, { id: "me" }),
    ]);
    const client = clientOf(platform, memoryStore());
    await client.auth.logIn({ login: "ann", password: "x" });
    const impatient = failure(client.users.getMe({ signal: controller.signal }));
    const patient = client.users.getMe();
    await platform.settle();
    controller.abort();
    expect(await impatient).toMatchObject({ name: "AbortError" });
    answer(json(200, tokens(2)));
    expect(await patient).toEqual({ id: "me" });
  });
});
