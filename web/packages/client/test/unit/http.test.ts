// Retries, deadlines, problems and keys.

import { describe, expect, test } from "vitest";
import { AbortError, createClient, etagOf, NetworkError, Problem } from "../../src/index.js";
import { failure, json, Platform, problem, silence } from "./platform.js";

const POST = { id: "p", text: "hello" };
const broken = () => Promise.reject(new TypeError("fetch failed"));

function clientOf(platform: Platform) {
  return createClient({ baseUrl: "https://example.org/forum/", environment: platform.environment });
}

describe("retries", () => {
  test.each([
    ["a lost connection", broken],
    ["500", () => problem(500, "internal")],
    ["502 of a proxy", () => new Response("<html>", { status: 502 })],
    ["503", () => problem(503, "overloaded")],
  ])("reads, PUT, DELETE and writes with a key are repeated after %s", async (_, fail) => {
    for (const call of [
      (client: ReturnType<typeof clientOf>) => client.posts.get("p"),
      (client: ReturnType<typeof clientOf>) => client.posts.like("p"),
      (client: ReturnType<typeof clientOf>) => client.posts.delete("p"),
      (client: ReturnType<typeof clientOf>) => client.posts.create({ text: "x" }),
      (client: ReturnType<typeof clientOf>) => client.posts.update("p", { text: "x" }),
      (client: ReturnType<typeof clientOf>) => client.auth.logOut(),
    ]) {
      const platform = new Platform([fail, fail, () => json(200, POST)]);
      const result = call(clientOf(platform));
      await platform.pass(10_000);
      await result;
      expect(platform.requests).toHaveLength(3);
      const keys = new Set(platform.requests.map(({ headers }) => headers["idempotency-key"]));
      expect(keys.size).toBe(1);
    }
  });

  test("what may have taken effect is not repeated without a key", async () => {
    const login = { login: "ann", password: "x" };
    for (const fail of [broken, () => problem(503, "overloaded")]) {
      const platform = new Platform([fail, () => json(200, {})]);
      const error = failure(clientOf(platform).auth.logIn(login));
      await platform.pass(60_000);
      expect(await error).not.toBeInstanceOf(AbortError);
      expect(platform.requests).toHaveLength(1);
    }
    // A rate limit rejects before the call starts.
    const platform = new Platform([() => problem(429, "rate-limited", { "retry-after": "2" }), () => json(200, {})]);
    const result = clientOf(platform).auth.logIn(login);
    await platform.pass(3000);
    await result;
    expect(platform.requests).toHaveLength(2);
  });

  test("other rejections are not repeated", async () => {
    for (const status of [400, 403, 404, 409, 412, 422]) {
      const platform = new Platform([() => problem(status, "no")]);
      expect(await failure(clientOf(platform).posts.get("p"))).toMatchObject({ name: "Problem", status, code: "no" });
      expect(platform.requests).toHaveLength(1);
    }
  });

  test("a repetition waits for the first attempt that is still running", async () => {
    const platform = new Platform([() => problem(409, "request-in-progress"), () => json(201, POST)]);
    const result = clientOf(platform).posts.create({ text: "x" });
    await platform.pass(1000);
    expect((await result).id).toBe("p");
  });

  test("never before Retry-After, with full jitter above it, and not beyond the limit of the call", async () => {
    const busy = () => problem(503, "overloaded", { "retry-after": "7" });
    for (const [random, wait] of [
      [0, 7000],
      [0.999, 7499.5],
    ] as const) {
      const platform = new Platform([busy, () => json(200, POST)], {}, () => random);
      const result = clientOf(platform).posts.get("p");
      await platform.pass(wait - 1);
      expect(platform.requests).toHaveLength(1);
      await platform.pass(1);
      await result;
      expect(platform.requests).toHaveLength(2);
    }
    const patient = new Platform([() => problem(503, "overloaded", { "retry-after": "61" })]);
    const error = await failure(clientOf(patient).posts.get("p"));
    expect(error).toMatchObject({ code: "overloaded", retryAfter: 61 });
    expect(patient.requests).toHaveLength(1);
  });

  test("delays grow to thirty seconds", async () => {
    const platform = new Platform([broken], {}, () => 1);
    const error = failure(clientOf(platform).posts.get("p", { timeout: 200_000 }));
    await platform.pass(200_000);
    expect(await error).toBeInstanceOf(NetworkError);
    // The other timers are the limits of the attempts.
    const waits = platform.waits.filter((wait) => wait !== 15_000).slice(0, 9);
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });
});

describe("deadlines and aborts", () => {
  test("an attempt without a response ends after 15 seconds, the call after a minute", async () => {
    const platform = new Platform([silence]);
    const error = failure(clientOf(platform).posts.get("p"));
    await platform.pass(60_000);
    expect(await error).toMatchObject({ name: "NetworkError", timedOut: true });
    expect(platform.requests.length).toBeGreaterThanOrEqual(3);
    expect(platform.requests.length).toBeLessThanOrEqual(4);
  });

  test("a call is aborted before, during and between its attempts", async () => {
    const aborted = new Platform([silence]);
    const before = clientOf(aborted).posts.get("p", { signal: AbortSignal.abort() });
    expect(await failure(before)).toBeInstanceOf(AbortError);
    expect(aborted.requests).toHaveLength(0);
    for (const responder of [silence, broken]) {
      const platform = new Platform([responder]);
      const controller = new AbortController();
      const error = failure(clientOf(platform).posts.get("p", { signal: controller.signal }));
      await platform.settle();
      controller.abort("no longer needed");
      expect(await error).toMatchObject({ name: "AbortError", cause: "no longer needed" });
      await platform.pass(100_000);
      expect(platform.requests).toHaveLength(1);
    }
  });
});

describe("requests and responses", () => {
  test("paths, queries, bodies and headers", async () => {
    const platform = new Platform([() => json(200, { items: [], next_cursor: null, prev_cursor: null })]);
    const client = clientOf(platform);
    await client.timelines.hashtag("제주/바다", { limit: 5 }).page();
    await client.posts.getMany({ ids: ["a", "b"] });
    await client.posts.update(
      "p",
      { text: null },
      { ifMatch: '"1-a"', idempotencyKey: "mine", headers: { "x-request-id": "r" } },
    );
    await client.auth.logIn({ login: "ann", password: "x" });
    const [timeline, many, update, login] = platform.requests;
    expect(timeline?.url).toBe(
      "https://example.org/forum/api/v1/timelines/hashtags/%EC%A0%9C%EC%A3%BC%2F%EB%B0%94%EB%8B%A4?limit=5",
    );
    expect(many?.url).toBe("https://example.org/forum/api/v1/posts?ids=a%2Cb");
    expect(update).toMatchObject({ method: "PATCH", body: { text: null } });
    expect(update?.headers).toMatchObject({ "if-match": '"1-a"', "idempotency-key": "mine", "x-request-id": "r" });
    expect(login?.body).toEqual({ login: "ann", password: "x", client: "browser" });
    expect(timeline?.headers).not.toHaveProperty("idempotency-key");
    expect(login?.headers).not.toHaveProperty("idempotency-key");
    expect(() => client.posts.get("")).toThrow("an id of /api/v1/posts/* is missing");
  });

  test("a form has a text for each of its files", async () => {
    const platform = new Platform([() => json(201, { items: [], problems: [] })]);
    const file = new Blob(["x"], { type: "image/png" });
    await clientOf(platform).media.upload([file, { file, alt: "바다, 산", name: "바다.png" }]);
    const form = platform.requests[0]?.body as FormData;
    expect(form.getAll("alt")).toEqual(["", "바다, 산"]);
    expect(form.getAll("file").map((found) => (found as File).name)).toEqual(["image", "바다.png"]);
  });

  test("a problem has its code, fields, request and time", async () => {
    const body = {
      code: "invalid",
      status: 422,
      detail: "The request is invalid.",
      request_id: "r1",
      errors: [{ pointer: "/text", code: "too-long", detail: "at most 2200" }],
    };
    const platform = new Platform([() => json(422, body, { "retry-after": "soon" })]);
    const error = (await failure(clientOf(platform).posts.create({ text: "x" }))) as Problem;
    expect(error).toBeInstanceOf(Problem);
    expect(error.message).toBe("The request is invalid.");
    expect(error.fields["/text"]?.code).toBe("too-long");
    expect(error.fields["/media_ids"]).toBeUndefined();
    expect(error).toMatchObject({ requestId: "r1", retryAfter: undefined });
  });

  test("a response that is not of the API is a problem, too", async () => {
    const proxy = new Platform([() => new Response("<html>", { status: 404, headers: { "x-request-id": "proxy" } })]);
    expect(await failure(clientOf(proxy).posts.get("p"))).toMatchObject({
      code: "unexpected-response",
      status: 404,
      requestId: "proxy",
    });
    const page = new Platform([() => new Response("<html>", { status: 200 })]);
    expect(await failure(clientOf(page).posts.get("p"))).toMatchObject({ code: "unexpected-response", status: 200 });
  });

  test("empty responses are undefined, and tags are remembered", async () => {
    const platform = new Platform([
      () => new Response(null, { status: 204 }),
      () => json(200, POST, { etag: '"2-b"' }),
      () => new Response(null, { status: 304 }),
    ]);
    const client = clientOf(platform);
    expect(await client.posts.delete("p")).toBeUndefined();
    const post = await client.posts.get("p");
    expect(etagOf(post)).toBe('"2-b"');
    const again = await client.raw("GET", "/api/v1/posts/{post}", { path: { post: "p" } });
    expect(again).toMatchObject({ data: undefined, response: { status: 304 } });
  });

  test("operations without a response to read are addresses", () => {
    const client = clientOf(new Platform([silence]));
    expect(client.auth.startLogin("kakao", { redirect_to: "/home" })).toBe(
      "https://example.org/forum/api/v1/auth/kakao/start?redirect_to=%2Fhome",
    );
    expect(client.gateway.connect()).toBe("https://example.org/forum/api/v1/gateway");
  });
});
