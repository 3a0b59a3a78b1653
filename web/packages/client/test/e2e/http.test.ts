import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AbortError, etagOf, NetworkError, Problem } from "../../src/index.js";
import { PHOTO } from "./photo.js";
import { PASSWORD, Server, unique } from "./server.js";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("it should fail");
    },
    (error) => error,
  );
}

describe("operations", () => {
  test("a post is created, read, changed under its tag, and deleted", async () => {
    const ann = await server.client(unique("ann"));
    const post = await ann.posts.create({ text: "노을 #제주" });
    const found = await ann.posts.get(post.id);
    expect(found.text).toBe("노을 #제주");
    const edited = await ann.posts.update(post.id, { text: "노을 #서귀포" }, { ifMatch: etagOf(found) });
    expect(edited.hashtags).toEqual(["서귀포"]);
    const stale = await failure(ann.posts.update(post.id, { text: "?" }, { ifMatch: etagOf(found) }));
    expect(stale).toMatchObject({ code: "precondition-failed", status: 412 });
    await ann.posts.delete(post.id);
    expect(await failure(ann.posts.get(post.id))).toMatchObject({ name: "Problem", status: 404 });
  });

  test("lists of ids, searches and follows take their parameters", async () => {
    const [ann, bob] = [unique("ann"), unique("bob")];
    const [a, b] = [await server.client(ann), await server.client(bob)];
    await a.users.follow(`@${bob}`);
    const posts = [await b.posts.create({ text: "하나" }), await b.posts.create({ text: "둘" })];
    const many = await a.posts.getMany({ ids: posts.map(({ id }) => id) });
    expect(many.items.map(({ text }) => text).sort()).toEqual(["둘", "하나"]);
    const users = await a.discovery.searchUsers({ q: bob }).take(5);
    expect(users.map(({ username }) => username)).toContain(bob);
    expect((await a.users.get(`@${bob}`)).username).toBe(bob);
  });

  test("problems have their code, fields and request", async () => {
    const ann = await server.client(unique("ann"));
    const error = await failure(ann.posts.create({ text: "a".repeat(5000) }));
    expect(error).toBeInstanceOf(Problem);
    const problem = error as Problem;
    expect(problem).toMatchObject({ code: "invalid", status: 422 });
    expect(problem.fields["/text"]?.code).toBe("too-long");
    expect(problem.requestId).toMatch(/\S/);
  });

  test("the same key has one effect", async () => {
    const ann = await server.client(unique("ann"));
    const options = { idempotencyKey: unique("key") };
    const first = await ann.posts.create({ text: "한 번" }, options);
    expect((await ann.posts.create({ text: "한 번" }, options)).id).toBe(first.id);
  });

  test("the typed fetch has the response", async () => {
    const ann = await server.client(unique("ann"));
    const post = await ann.posts.create({ text: "raw" });
    const path = { post: post.id };
    const first = await ann.raw("GET", "/api/v1/posts/{post}", { path });
    expect(first.data.text).toBe("raw");
    const etag = first.response.headers.get("etag") ?? "";
    const again = await ann.raw("GET", "/api/v1/posts/{post}", { path, headers: { "if-none-match": etag } });
    expect(again.response.status).toBe(304);
    expect(ann.auth.startLogin("kakao", { redirect_to: "/" })).toBe(
      `${server.url}/api/v1/auth/kakao/start?redirect_to=%2F`,
    );
  });

  test("a call that cannot be sent, and an aborted one", async () => {
    const ann = await server.client(unique("ann"));
    const abort = new AbortController();
    const pending = failure(ann.users.getMe({ signal: abort.signal }));
    abort.abort();
    expect(await pending).toBeInstanceOf(AbortError);
    const { createClient } = await import("../../src/index.js");
    const nowhere = createClient({ baseUrl: "http://127.0.0.1:9", limits: { call: 100 } });
    expect(await failure(nowhere.instance.get())).toBeInstanceOf(NetworkError);
  });
});

test("a list is read to its end, and later in the other direction", async () => {
  const ann = await server.client(unique("ann"));
  const write = (count: number, from: number) =>
    Promise.resolve([...Array(count).keys()]).then(async (numbers) => {
      for (const number of numbers) await ann.posts.create({ text: `post ${from + number}` });
    });
  await write(7, 1);
  const list = ann.timelines.home({ limit: 3 });
  const texts: (string | null)[] = [];
  for await (const { text } of list) texts.push(text);
  expect(texts).toEqual([7, 6, 5, 4, 3, 2, 1].map((number) => `post ${number}`));
  const newer = async () => {
    const found: (string | null)[] = [];
    for await (const { text } of list.newer()) found.push(text);
    return found;
  };
  expect(await newer()).toEqual([]);
  await write(5, 8);
  expect(await newer()).toEqual([8, 9, 10, 11, 12].map((number) => `post ${number}`));
  expect(await newer()).toEqual([]);
  await write(1, 13);
  expect(await newer()).toEqual(["post 13"]);
});

test("comments, oldest first, go on where they ended", async () => {
  const ann = await server.client(unique("ann"));
  const post = await ann.posts.create({ text: "comments" });
  const write = async (numbers: number[]) => {
    for (const number of numbers) await ann.comments.create(post.id, { text: `${number}` });
  };
  await write([1, 2, 3, 4, 5]);
  const list = ann.comments.list(post.id, { limit: 2 });
  const read = async (from: AsyncIterable<{ text: string | null }>) => {
    const found: (string | null)[] = [];
    for await (const { text } of from) found.push(text);
    return found.join("");
  };
  expect(await read(list)).toBe("12345");
  await write([6, 7, 8]);
  expect(await read(list.newer())).toBe("678");
  expect(await read(list.newer())).toBe("");
});

describe("sessions", () => {
  test("many calls with an expired token share one refresh", async () => {
    let refreshes = 0;
    const counting: typeof fetch = (input, init) => {
      if (String(input).endsWith("/auth/token")) refreshes++;
      return fetch(input, init);
    };
    const name = unique("ann");
    let tokens = null as never;
    const store = {
      load: () => tokens,
      save: (next: never) => {
        tokens = next;
      },
    };
    const ann = await server.client(name, { store: store as never, environment: { fetch: counting } });
    // The server does not accept it any more; the client does not know when it would have expired.
    tokens = { ...(tokens as object), access_token: "expired" } as never;
    const again = await server.client(undefined, { store: store as never, environment: { fetch: counting } });
    const calls = await Promise.all([...Array(10)].map(() => again.users.getMe()));
    expect(calls.map(({ username }) => username)).toEqual(Array(10).fill(name));
    expect(refreshes).toBe(1);
    // The first client finds what the other one stored.
    expect((await ann.users.getMe()).username).toBe(name);
  });

  test("a refresh whose response was lost is repeated", async () => {
    let lost = 0;
    const losing: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (!String(input).endsWith("/auth/token") || lost++ > 0) return response;
      throw new TypeError("the connection was lost");
    };
    const name = unique("ann");
    let tokens = null as { access_token: string } | null;
    const store = {
      load: () => tokens,
      save: (next: typeof tokens) => {
        tokens = next;
      },
    };
    await server.client(name, { store: store as never });
    tokens = { ...tokens!, access_token: "expired" };
    const ann = await server.client(undefined, { store: store as never, environment: { fetch: losing } });
    expect((await ann.users.getMe()).username).toBe(name);
    expect(lost).toBe(2);
    expect((await ann.users.getMe()).username).toBe(name);
  });

  test("the end of a session is reported once, and the tokens are deleted", async () => {
    const name = unique("ann");
    const ended: string[] = [];
    const phone = await server.client(name, { onEnd: ({ code }) => ended.push(code) });
    const tablet = await server.client();
    await tablet.auth.logIn({ login: name, password: PASSWORD });
    await tablet.auth.revokeOtherSessions();
    const errors = await Promise.all([failure(phone.users.getMe()), failure(phone.users.getMe())]);
    for (const error of errors) expect(error).toMatchObject({ status: 401 });
    expect(ended).toHaveLength(1);
    await tablet.auth.logOut();
    expect(await failure(tablet.users.getMe())).toMatchObject({ status: 401 });
  });
});

describe("uploads", () => {
  const photo = () => new Blob([PHOTO], { type: "image/png" });

  test("a form has the texts in the order of its files", async () => {
    const ann = await server.client(unique("ann"));
    const { items, problems } = await ann.media.upload([
      { file: photo(), alt: "해 질 녘의 바다, 성산" },
      photo(),
      { file: photo(), alt: "산" },
    ]);
    expect(problems).toEqual([]);
    expect(items.map(({ alt }) => alt)).toEqual(["해 질 녘의 바다, 성산", null, "산"]);
    const post = await ann.posts.create({ text: "사진", media: [{ file: photo(), alt: "꽃" }] });
    expect(post.media.map(({ alt }) => alt)).toEqual(["꽃"]);
  });

  test("a post with an image that is rejected is not created", async () => {
    const ann = await server.client(unique("ann"));
    const text = new Blob(["not an image"]);
    const error = await failure(ann.posts.create({ text: "?", media: [photo(), text] }));
    expect(error).toMatchObject({ code: "media-unsupported" });
    expect(await ann.users.listPosts((await ann.users.getMe()).id).take(1)).toEqual([]);
  });

  test("a direct upload is announced, sent and completed", async () => {
    const ann = await server.client(unique("ann"));
    const image = await ann.media.uploadDirect({ file: photo(), alt: "바다" });
    expect(image).toMatchObject({ alt: "바다", content_type: "image/webp" });
  });

  test("an aborted direct upload is not completed", async () => {
    const abort = new AbortController();
    const paths: string[] = [];
    const aborting: typeof fetch = (input, init) => {
      paths.push(new URL(String(input)).pathname);
      if (init?.method === "PUT") abort.abort();
      return fetch(input, init);
    };
    const ann = await server.client(unique("ann"), { environment: { fetch: aborting } });
    expect(await failure(ann.media.uploadDirect(photo(), { signal: abort.signal }))).toBeInstanceOf(AbortError);
    expect(paths.at(-1)).toMatch(/^\/media\/incoming\//);
  });
});
