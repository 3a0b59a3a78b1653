// When to connect, to give up, and to renew the credential.

import { describe, expect, test } from "vitest";
import type { Failure } from "../../../src/gateway/io.js";
import { BOB, READY, ROOMS, World } from "./world.js";

describe("reconnecting", () => {
  test.each([
    [undefined, true],
    [1001, true],
    [1002, false],
    [1007, false],
    [1009, false],
    [4000, true],
    [4002, true],
    [4499, true],
    [4500, false],
    [4504, false],
    [4999, false],
    [5000, true],
  ])("the close code %s decides: %s", (code, reconnects) => {
    const world = World.connected();
    world.drop(code);
    expect(world.stopped === undefined).toBe(reconnects);
    expect(world.stopped?.sessionEnded ?? false).toBe(code === 4500);
    world.sleep(30_000);
    expect(world.connecting).toBe(reconnects);
  });

  function afterFailure(failure: Failure): World {
    const world = World.connected();
    world.drop();
    world.sleep(30_000);
    expect(world.connecting).toBe(true);
    world.connecting = false;
    world.input((core) => core.failed(failure));
    return world;
  }

  test("a handshake is retried after Retry-After, not before", () => {
    const world = afterFailure({ kind: "temporary", detail: "busy", retryAfterMs: 50_000 });
    world.input((core) => core.online());
    world.sleep(49_999);
    expect(world.connecting).toBe(false);
    world.sleep(1);
    expect(world.connecting).toBe(true);
  });

  test("a handshake without a valid login is retried with a new one, then later", () => {
    const world = afterFailure({ kind: "unauthorized", detail: "" });
    expect([world.connecting, world.refreshing]).toEqual([false, true]);
    world.outside(true);
    expect(world.connecting).toBe(true);
    world.connecting = false;
    world.input((core) => core.failed({ kind: "unauthorized", detail: "" }));
    world.outside(true);
    expect(world.connecting).toBe(false);
    world.sleep(30_000);
    expect(world.connecting).toBe(true);
  });

  test("a rejection for good stops the client", () => {
    expect(afterFailure({ kind: "fatal", detail: "origin" }).stopped?.sessionEnded).toBe(false);
  });

  test("the time that `reconnect` names is respected, also if the connection ends before", () => {
    for (const dropsEarly of [false, true]) {
      const world = World.connected();
      world.event("reconnect", { after_ms: 12_000 });
      world.run();
      if (dropsEarly) world.drop(4000);
      const start = world.now;
      while (!world.connecting) world.sleep(60_000);
      expect(world.now - start).toBe(12_000);
    }
  });

  test("the reason of the close frame names the time for those without the event", () => {
    const world = World.connected();
    world.drop(4000, "this node stops; reconnect in 12000 ms");
    world.sleep(11_999);
    expect(world.connecting).toBe(false);
    world.sleep(1);
    expect(world.connecting).toBe(true);
  });

  test("delays grow to 30 seconds, and a stable minute or a device that is online resets them", () => {
    const longest = (prepare: (world: World) => void) => {
      let longest = 0;
      for (let seed = 0; seed < 30; seed++) {
        const world = new World(seed);
        world.input();
        for (let attempt = 0; attempt < 9; attempt++) {
          world.connecting = false;
          world.input((core) => core.failed({ kind: "temporary", detail: "" }));
          world.sleep(60_000);
        }
        world.loading.splice(0);
        prepare(world);
        longest = Math.max(
          longest,
          ...world
            .of("disconnected")
            .slice(-1)
            .map(({ retry_in_ms }) => retry_in_ms),
        );
        expect(Math.max(...world.of("disconnected").map(({ retry_in_ms }) => retry_in_ms))).toBeLessThanOrEqual(30_000);
      }
      return longest;
    };
    const lasting = (ms: number) => (world: World) => {
      world.connecting = false;
      world.open();
      world.run();
      world.now += ms;
      world.drop();
    };
    expect(longest(lasting(59_999))).toBeGreaterThan(10_000);
    expect(longest(lasting(60_000))).toBeLessThanOrEqual(500);
    const online = (world: World) => {
      world.input((core) => core.online());
      world.connecting = false;
      world.input((core) => core.failed({ kind: "temporary", detail: "" }));
    };
    expect(longest(online)).toBeLessThanOrEqual(500);
  });
});

describe("liveness", () => {
  test("a ping is answered with the cursors; silence ends the connection", () => {
    const world = World.connected();
    world.bobSends(1, "hello");
    world.run();
    world.now += 47_000;
    const outputs = world.core.handle(world.now, (core) => core.frame({ ping: 3 }));
    expect(outputs).toEqual([{ type: "send", frame: { pong: 3, recv: { [ROOMS[0]]: 0, [ROOMS[1]]: 1 } } }]);
    world.sleep(47_499);
    expect(world.isOpen).toBe(true);
    world.sleep(1);
    expect(world.isOpen).toBe(false);
  });

  test("a connection that does not answer a command is given up", () => {
    const world = World.connected();
    world.sends(0, "hello");
    expect(world.commands()).toEqual(["message.send"]);
    world.now += 29_999;
    world.event("typing", { conversation_id: ROOMS[0], user_id: BOB });
    world.deliverToClient();
    expect(world.isOpen).toBe(true);
    world.sleep(1);
    expect(world.isOpen).toBe(false);
  });

  test("a connection of another account stops the client", () => {
    const world = new World();
    world.input();
    world.connecting = false;
    world.open({ ...READY, user_id: BOB });
    world.deliverToClient();
    expect(world.stopped?.sessionEnded).toBe(true);
  });
});

describe("renewal", () => {
  test("the credential is renewed in band once, before it expires and by the own clock", () => {
    const world = World.connected();
    world.event("auth.expiring", { expires_in_ms: 120_000 });
    world.event("auth.expiring", { expires_in_ms: 120_000 });
    world.run();
    expect(world.outside(true)).toBe(true);
    expect(world.commands()).toEqual(["auth"]);
    world.run();
    expect(world.outside(true)).toBe(false);

    const renewed = world.now;
    while (!world.commands().includes("auth")) {
      world.event("typing", { conversation_id: ROOMS[0], user_id: BOB });
      world.run();
      world.sleep(20_000);
      world.outside(true);
    }
    // A minute before the ten minutes are over.
    expect(world.now - renewed).toBe(540_000);
  });

  test("a credential that expired is replaced before the next connection; without one, the session has ended", () => {
    const world = World.connected();
    world.drop(4001);
    expect([world.connecting, world.refreshing]).toEqual([false, true]);
    world.refreshing = false;
    world.input((core) => core.token({ kind: "unauthorized", detail: "" }));
    expect(world.stopped?.sessionEnded).toBe(true);
  });

  test("a renewal that fails for a while is repeated", () => {
    const world = World.connected();
    world.event("auth.expiring", { expires_in_ms: 120_000 });
    world.run();
    world.outside(false);
    expect(world.stopped).toBeUndefined();
    world.sleep(1000);
    expect(world.refreshing).toBe(true);
  });
});
