import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Client, Gateway, GatewayEvents, Message } from "../../src/index.js";
import { PASSWORD, Server, unique } from "./server.js";

const FIRST = "안녕하세요";

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

const gateways: Gateway[] = [];
function connect(client: Client, options: Parameters<Client["gateway"]>[0] = {}): Gateway {
  const gateway = client.gateway(options);
  gateways.push(gateway);
  return gateway;
}
afterAll(() => {
  for (const gateway of gateways) gateway.close();
});

/** Resolves with the first event that `isIt`. */
function next<Name extends keyof GatewayEvents>(
  gateway: Gateway,
  name: Name,
  isIt: (data: GatewayEvents[Name]) => boolean = () => true,
): Promise<GatewayEvents[Name]> {
  return new Promise((resolve) => {
    const stop = gateway.on(name, (data) => {
      if (!isIt(data)) return;
      stop();
      resolve(data);
    });
  });
}

/** The texts of a conversation as an application shows them: pages and events, each message once. */
function screen(gateway: Gateway, conversation: string) {
  const texts = new Map<number, string | null>();
  const waiting: { count: number; resolve: () => void }[] = [];
  let repeated = 0;
  const show = (message: Message) => {
    if (texts.has(message.message_no)) repeated++;
    texts.set(message.message_no, message.text);
    for (const { count, resolve } of waiting) if (texts.size >= count) resolve();
  };
  gateway.on("loaded", ({ conversation_id, messages, known }) => {
    if (conversation_id === conversation)
      for (const message of messages) if (message.message_no > (known ?? 0)) show(message);
  });
  gateway.on("message.created", ({ message, conversation_id }) => {
    if (message && conversation_id === conversation) show(message);
  });
  return {
    /** Resolves when that many messages are displayed. */
    has: (count: number) =>
      new Promise<void>((resolve) => {
        if (texts.size >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    texts: () => [...texts.keys()].sort((a, b) => a - b).map((no) => texts.get(no)),
    repeated: () => repeated,
  };
}

async function pair(on: Server = server) {
  const names = [unique("ann"), unique("bob")] as const;
  const [ann, bob] = [await on.client(names[0]), await on.client(names[1])];
  await ann.users.follow(`@${names[1]}`);
  await bob.users.follow(`@${names[0]}`);
  const { id } = await ann.conversations.create({ members: [`@${names[1]}`] });
  // Bob is a member from the first message on.
  await ann.conversations.sendMessage(id, { client_id: crypto.randomUUID(), text: FIRST });
  return { names, ann, bob, id };
}

describe("chat", () => {
  test("messages arrive in order, with receipts, typing, presence and commands", async () => {
    const { ann, bob, id } = await pair();
    const [a, b] = [connect(ann), connect(bob, { followAll: true })];
    const bobs = screen(b, id);
    a.follow(id);
    b.follow(id);
    await Promise.all([next(a, "loaded"), next(b, "loaded"), next(a, "connected")]);
    const me = (await ann.users.getMe()).id;
    const synced = next(b, "synced", ({ topics }) => topics["timeline:home"] === "ok");
    const online = next(b, "presence", ({ user_id }) => user_id === me);
    b.open([id]);
    b.watch([me]);
    b.subscribe("timeline:home");
    await synced;
    expect(await online).toMatchObject({ online: true });

    const typing = next(b, "typing");
    a.typing(id);
    expect(await typing).toMatchObject({ conversation_id: id, user_id: me });

    const posted = next(b, "post.created");
    await ann.posts.create({ text: "새 글" });
    expect((await posted).post.text).toBe("새 글");

    const count = 12;
    const sent = next(a, "message.created", ({ message }) => message?.text === `${count - 1}`);
    await Promise.all([...Array(count).keys()].map((number) => a.send(id, { text: `${number}` })));
    const { message } = await sent;
    await bobs.has(count + 1);
    expect(bobs.texts()).toEqual([FIRST, ...Array(count).keys()].map(String));
    // The reply to the last message may arrive after its event.
    await vi.waitFor(() => expect(a.pending()).toEqual([]));

    const read = next(a, "conversation.read");
    b.read(id, message!.message_no);
    expect(await read).toMatchObject({ read_no: message!.message_no });

    const edited = next(b, "message.edited");
    const reply = await a.command("message.edit", { conversation_id: id, message_id: message!.id, text: "끝" });
    expect(reply.message.text).toBe("끝");
    expect((await edited).message?.text).toBe("끝");
    const rejected = a.command("message.edit", { conversation_id: id, message_id: me, text: "끝" });
    await expect(rejected).rejects.toMatchObject({ name: "Problem", code: "not-found" });
  });

  test("a message that is rejected can be sent again, or dropped", async () => {
    const { names, ann, bob, id } = await pair();
    const a = connect(ann);
    a.follow(id);
    await next(a, "loaded");
    await bob.users.block(`@${names[0]}`);
    const failed = next(a, "failed");
    const client_id = await a.send(id, { text: "다시" });
    expect((await failed).draft.client_id).toBe(client_id);
    expect(a.pending()).toMatchObject([{ draft: { text: "다시" }, error: { code: expect.any(String) } }]);
    await bob.users.unblock(`@${names[0]}`);
    const sent = next(a, "sent");
    await a.retry(client_id);
    expect((await sent).draft.client_id).toBe(client_id);

    const again = next(a, "failed");
    const long = await a.send(id, { text: "x".repeat(9000) });
    expect((await again).error.code).toBe("body-too-large");
    expect(await a.drop(long)).toBe(true);
    expect(a.pending()).toEqual([]);
  });
});

describe("failures", () => {
  test("the server is killed and restarted while both send: nothing is lost or doubled", async () => {
    const own = await Server.start();
    const { ann, bob, id } = await pair(own);
    const [a, b] = [connect(ann), connect(bob)];
    const screens = [screen(a, id), screen(b, id)];
    for (const gateway of [a, b]) gateway.follow(id);
    await Promise.all([next(a, "loaded"), next(b, "loaded")]);
    const each = 15;
    for (let round = 0; round < 3; round++) {
      const lost = Promise.all([next(a, "disconnected"), next(b, "disconnected")]);
      for (let number = 0; number < each; number++) {
        await a.send(id, { text: `a${round}.${number}` });
        await b.send(id, { text: `b${round}.${number}` });
        if (number === 4) await own.kill();
      }
      await lost;
      await own.restart();
      await Promise.all(screens.map((displayed) => displayed.has((round + 1) * each * 2 + 1)));
    }
    for (const displayed of screens) {
      expect(displayed.repeated()).toBe(0);
      for (const who of ["a", "b"]) {
        const texts = displayed.texts().filter((text) => text?.startsWith(who));
        const expected = [0, 1, 2].flatMap((round) =>
          [...Array(each).keys()].map((number) => `${who}${round}.${number}`),
        );
        expect(texts).toEqual(expected);
      }
    }
    expect(screens[0]!.texts()).toEqual(screens[1]!.texts());
    a.close();
    b.close();
    await own.stop();
  });

  test("many missed events are pulled, and the history is continued", async () => {
    const { ann, bob, id } = await pair();
    const a = connect(ann);
    const displayed = screen(a, id);
    a.follow(id);
    await next(a, "loaded");
    a.close();
    const again = connect(ann);
    const later = screen(again, id);
    again.follow(id);
    await next(again, "loaded");
    for (let number = 0; number < 30; number++) {
      await bob.conversations.sendMessage(id, { client_id: crypto.randomUUID(), text: `${number}` });
    }
    await later.has(31);
    expect(later.texts()).toEqual([FIRST, ...Array(30).keys()].map(String));
    expect(displayed.texts()).toEqual([FIRST]);
  });

  test("a stopping server names the time to come back", async () => {
    const own = await Server.start({ BLEGRAM_GATEWAY__DRAIN_MIN_MS: "100", BLEGRAM_GATEWAY__DRAIN_MAX_MS: "200" });
    const { ann, id } = await pair(own);
    const a = connect(ann);
    a.follow(id);
    await next(a, "loaded");
    const disconnected = next(a, "disconnected");
    const connected = next(a, "connected");
    await own.kill("SIGTERM");
    await disconnected;
    await own.restart();
    await connected;
    a.close();
    await own.stop();
  });

  test("the login is renewed in band, and its end stops the connection", async () => {
    const { names, ann, id } = await pair();
    const a = connect(ann);
    a.follow(id);
    await next(a, "loaded");
    const stopped = next(a, "stopped");
    const other = await server.client();
    await other.auth.logIn({ login: names[0], password: PASSWORD });
    await other.auth.revokeOtherSessions();
    expect(await stopped).toMatchObject({ sessionEnded: true, code: 4500 });
  });
});
