// Messages, commands and their rate.

import { describe, expect, test } from "vitest";
import { isTooLong } from "../../../src/gateway/outbox.js";
import { Pace } from "../../../src/gateway/pace.js";
import { BOB, ROOMS, World } from "./world.js";

describe("messages", () => {
  test("one at a time per conversation, the next after the reply, and the same again after a lost connection", () => {
    const world = World.connected();
    for (const text of ["one", "two"]) world.sends(0, text);
    world.sends(1, "other");
    expect(world.commands()).toEqual(["message.send", "message.send"]);
    world.deliverToServer();
    world.drop();
    world.settle();
    expect(world.stored(0)).toEqual(["one", "two"]);
    expect(world.stored(1)).toEqual(["other"]);
    expect(world.of("sent").map(({ sent }) => sent.duplicate)).toEqual([true, false, false]);
  });

  test.each(["rate-limited", "unavailable", "internal", "overloaded"])(
    "%s is retried after the time it names",
    (code) => {
      const world = World.connected();
      world.sends(0, "again");
      world.deliverToServer(code);
      world.deliverToClient();
      world.sleep(199);
      expect(world.commands()).toEqual([]);
      world.sleep(1);
      expect(world.commands()).toEqual(["message.send"]);
      expect(world.of("failed")).toEqual([]);
    },
  );

  test("another rejection is reported, and the next message is sent", () => {
    const world = World.connected();
    world.sends(0, "bad");
    world.sends(0, "good");
    world.deliverToServer("client-id-reused");
    world.run();
    expect(world.of("failed")).toMatchObject([{ draft: { text: "bad" }, error: { code: "client-id-reused" } }]);
    expect(world.stored(0)).toEqual(["good"]);
  });

  test("a message that is too large is never sent, because it would end every connection", () => {
    const draft = (text: string) => ({ conversation_id: ROOMS[0], client_id: "c", text });
    expect(isTooLong(draft("가".repeat(2730)))).toBe(false);
    expect(isTooLong(draft("가".repeat(2731)))).toBe(true);
    expect(isTooLong(draft("\u0001".repeat(2600)))).toBe(true);
    const world = World.connected();
    world.sends(0, "x".repeat(8193));
    expect(world.commands()).toEqual([]);
    expect(world.of("failed")).toMatchObject([{ error: { code: "body-too-large" } }]);
  });

  test("a message without its event is pulled a second after the reply", () => {
    const world = World.connected();
    world.sends(0, "hello");
    world.deliverToServer();
    world.disturb(0, 0);
    world.run();
    expect(world.rooms[0]!.displayed).toEqual([]);
    world.sleep(999);
    expect(world.commands()).toEqual([]);
    world.sleep(1);
    expect(world.commands()).toEqual(["history"]);
    world.run();
    expect(world.rooms[0]!.displayed).toEqual([1]);
  });

  test("one that waits can be dropped, one in flight cannot", () => {
    const world = World.connected();
    world.sends(0, "one");
    world.sends(0, "two");
    expect([world.core.drop("client-1"), world.core.drop("client-2"), world.core.drop("?")]).toEqual([
      false,
      true,
      false,
    ]);
    world.settle();
    expect(world.stored(0)).toEqual(["one"]);
  });

  test("a repeated draft is sent once", () => {
    const world = new World();
    const draft = { conversation_id: ROOMS[0], client_id: "same", text: "once" };
    world.input((core) => core.send(draft));
    world.input((core) => core.send(draft));
    world.settle();
    expect(world.stored(0)).toEqual(["once"]);
    expect(world.of("sent")).toHaveLength(1);
  });
});

describe("commands", () => {
  test("the burst is followed by one command per interval", () => {
    const pace = new Pace(5, 20);
    let now = 100_000;
    const burst = () => {
      for (let number = 0; number < 20; number++) {
        expect(pace.due).toBeLessThanOrEqual(now);
        pace.take(now);
      }
    };
    burst();
    for (let number = 0; number < 3; number++) {
      expect(pace.due).toBeCloseTo(now + 200);
      now = pace.due;
      pace.take(now);
    }
    now += 4000;
    burst();
    expect(pace.due).toBeGreaterThan(now);
  });

  test("a command of the application has its reply, or none if the connection is lost", () => {
    const world = World.connected();
    world.input((core) => core.command(1, "message.edit", { conversation_id: ROOMS[0] }));
    world.input((core) => core.command(2, "message.edit", { conversation_id: ROOMS[0] }));
    world.input((core) => core.command(3, "message.edit", { conversation_id: "?" }));
    world.deliverToServer();
    world.deliverToClient();
    world.toServer.splice(0, 1);
    world.deliverToServer();
    world.deliverToClient();
    world.drop();
    expect(world.replies).toEqual([
      [1, { ok: {} }],
      [3, { err: expect.objectContaining({ code: "not-found" }) }],
      [2, null],
    ]);
  });

  test("a command waits for the connection, and is lost when the client stops", () => {
    const world = new World();
    world.input((core) => core.command(1, "message.edit", {}));
    world.input((core) => core.stop());
    expect(world.replies).toEqual([[1, null]]);
    expect(world.stopped).toMatchObject({ sessionEnded: false });
    expect(world.core.handle(world.now, () => {})).toEqual([]);
  });

  test("the read mark is sent at most once a second, and again after a lost connection", () => {
    const world = World.connected();
    const read = (messageNo: number) => world.input((core) => core.read(ROOMS[0], messageNo));
    read(1);
    read(2);
    expect(world.commands()).toEqual(["read"]);
    world.run();
    world.sleep(999);
    expect(world.commands()).toEqual([]);
    world.sleep(1);
    expect(world.toServer).toMatchObject([{ op: "read", d: { message_no: 2 } }]);
    world.drop();
    world.sleep(30_000);
    world.outside(true);
    world.run();
    world.sleep(1000);
    world.run();
    read(1);
    expect(world.commands()).toEqual([]);
  });

  test("typing is sent every three seconds at most, and only at once", () => {
    const world = World.connected();
    const type = () => world.input((core) => core.typing(ROOMS[0]));
    type();
    type();
    expect(world.commands()).toEqual(["typing"]);
    world.run();
    world.now += 2999;
    type();
    expect(world.commands()).toEqual([]);
    world.now += 1;
    type();
    expect(world.commands()).toEqual(["typing"]);
    world.drop();
    world.now += 5000;
    type();
    world.settle();
    expect(world.commands()).toEqual([]);
  });

  test("a rate limit pauses all commands", () => {
    const world = World.connected();
    world.sends(0, "one");
    world.deliverToServer("rate-limited");
    world.deliverToClient();
    world.sends(1, "two");
    expect(world.commands()).toEqual([]);
    world.sleep(200);
    expect(world.commands()).toEqual(["message.send", "message.send"]);
  });
});

describe("subscriptions", () => {
  test("a sync sets all of them, also after reconnecting", () => {
    const world = World.connected();
    world.input((core) => core.subscribe(["timeline:home", "user:1"]));
    world.input((core) => core.watch([BOB]));
    world.input((core) => core.open([ROOMS[1]]));
    expect(world.commands()).toEqual([]);
    world.sleep(20);
    const d = { since: "c", open: [ROOMS[1]], topics: ["timeline:home", "user:1"], presence: [BOB] };
    expect(world.toServer).toMatchObject([{ op: "sync", d }]);
    world.run();
    world.input((core) => core.unsubscribe(["user:1"]));
    expect(world.toServer).toMatchObject([{ op: "unsubscribe", d: { topics: ["user:1"] } }]);
    world.drop();
    world.sleep(30_000);
    world.outside(true);
    world.deliverToClient();
    expect(world.toServer).toMatchObject([{ op: "sync", d: { ...d, topics: ["timeline:home"] } }]);
  });
});
