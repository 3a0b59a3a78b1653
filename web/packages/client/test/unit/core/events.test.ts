// Events, gaps, resets and membership.

import { describe, expect, test } from "vitest";
import { ROOMS, World } from "./world.js";

describe("events", () => {
  test("a known number is ignored, the next one applied, a larger one pulled", () => {
    const world = World.connected();
    world.bobSends(0, "one");
    world.disturb(0, 1);
    world.run();
    expect(world.rooms[0]!.displayed).toEqual([1]);
    world.bobSends(0, "two");
    world.disturb(0, 0);
    world.bobSends(0, "three");
    world.deliverToClient();
    expect(world.rooms[0]!.displayed).toEqual([1]);
    expect(world.toServer).toMatchObject([{ op: "history", d: { after: 1 } }]);
    world.run();
    expect(world.rooms[0]!.displayed).toEqual([1, 2, 3]);
  });

  test("an event that the client does not know counts", () => {
    const world = World.connected();
    world.bobSends(0, "one");
    world.rooms[0]!.log.push(["conversation.painted", 0]);
    world.event("conversation.painted", { conversation_id: ROOMS[0], seq: 2, message: null });
    world.bobSends(0, "two");
    while (world.deliverToClient());
    expect(world.commands()).toEqual([]);
    const pong = world.core.handle(world.now, (core) => core.frame({ ping: 1 }));
    expect(pong).toMatchObject([{ frame: { recv: { [ROOMS[0]]: 3 } } }]);
    expect(world.of("change").map(({ ev }) => ev)).toEqual([
      "message.created",
      "conversation.painted",
      "message.created",
    ]);
    expect(world.of("warning")).toEqual([]);
  });

  test("a head beyond the cursor is pulled until there is no more", () => {
    const world = World.connected();
    for (let number = 0; number < 8; number++) world.bobSends(0, `${number}`);
    world.toClient = [];
    world.sendHeads();
    world.deliverToClient();
    expect(world.commands()).toEqual(["history"]);
    let pulls = 0;
    while (world.deliverToServer() || world.deliverToClient()) pulls += world.commands().length;
    expect(pulls).toBeGreaterThan(1);
    expect(world.rooms[0]!.displayed).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test("a pull that brings nothing is repeated after a second", () => {
    const world = World.connected();
    world.event("conversation.head", { conversation_id: ROOMS[0], last_seq: 5, last_message_no: 5 });
    world.run();
    expect(world.commands()).toEqual([]);
    world.sleep(999);
    expect(world.commands()).toEqual([]);
    world.sleep(1);
    expect(world.commands()).toEqual(["history"]);
  });

  test("after a reset the latest page is loaded, and nothing is displayed twice", () => {
    const world = World.connected();
    world.bobSends(0, "one");
    world.run();
    for (const text of ["two", "three"]) world.bobSends(0, text);
    world.toClient = [];
    world.rooms[0]!.expired = 3;
    world.sendHeads();
    world.run();
    expect(world.loading).toEqual([[ROOMS[0], 1]]);
    world.outside(true);
    world.bobSends(0, "four");
    world.run();
    expect(world.rooms[0]!.displayed).toEqual([1, 2, 3, 4]);
    expect(world.of("loaded").at(-1)).toMatchObject({ known: 1, last_seq: 3 });
  });

  test("at most four pages are loaded at the same time", () => {
    const world = new World();
    for (let number = 0; number < 10; number++) world.input((core) => core.follow(`c${number}`));
    expect(world.loading).toHaveLength(4);
  });

  test("a page that cannot be loaded is tried again", () => {
    const world = new World();
    world.outside(false);
    expect(world.of("warning")).toHaveLength(1);
    world.sleep(60_000);
    world.sleep(60_000);
    expect(world.loading.map(([id]) => id)).toContain(ROOMS[0]);
  });
});

describe("membership", () => {
  test("the end of a membership is checked by a pull; unsent messages fail", () => {
    const world = World.connected();
    world.rooms[0]!.isClosed = true;
    world.event("conversation.removed", { conversation_id: ROOMS[0], reason: "removed" });
    world.deliverToClient();
    world.sends(0, "too late");
    expect(world.commands()).toEqual(["history", "message.send"]);
    world.run();
    expect(world.of("left")).toEqual([{ conversation_id: ROOMS[0] }]);
    expect(world.of("failed")).toMatchObject([{ draft: { text: "too late" }, error: { code: "not-found" } }]);
  });

  test("a `not-found` from before the account was added again is out of date", () => {
    const world = World.connected();
    world.rooms[0]!.isClosed = true;
    world.event("conversation.removed", { conversation_id: ROOMS[0], reason: "removed" });
    world.deliverToClient();
    world.deliverToServer();
    world.rooms[0]!.isClosed = false;
    world.toClient.unshift({ ev: "conversation.added", d: { conversation: { id: ROOMS[0] } } });
    world.run();
    expect(world.of("left")).toEqual([]);
  });

  test("with `followAll`, conversations of heads and additions are followed", () => {
    const world = new World(7, true);
    world.input();
    while (world.outside(true) || world.deliverToClient() || world.deliverToServer());
    world.bobSends(1, "hello");
    world.run();
    expect(world.rooms[1]!.displayed).toEqual([1]);
  });
});

describe("sync", () => {
  test("it is sent after every `ready`, again while there is more, and without a cursor that is rejected", () => {
    const world = World.connected();
    const syncs = () => world.toServer.filter((frame) => "op" in frame && frame.op === "sync");
    world.drop();
    world.sleep(30_000);
    world.outside(true);
    world.deliverToClient();
    expect(syncs()).toMatchObject([{ d: { since: "c" } }]);
    world.deliverToServer("cursor-invalid");
    world.deliverToClient();
    expect(syncs()).toHaveLength(1);
    expect(syncs()[0]).not.toHaveProperty("d.since");
    world.toServer = [];
    const more = { cursor: "d", heads: [], removed: [], more: true, unread: 0, topics: {}, presence: [] };
    world.input((core) => core.frame({ re: 2, ok: more }));
    expect(syncs()).toMatchObject([{ d: { since: "d" } }]);
  });
});
