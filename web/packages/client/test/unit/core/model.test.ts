// Whatever the network does: messages are stored and reported once, in order.

import fc from "fast-check";
import { expect, test } from "vitest";
import { World } from "./world.js";

const room = fc.integer({ min: 0, max: 1 });
const index = fc.nat(1 << 16);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("send" as const), room }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("bobSends" as const), room }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("bobChanges" as const), room, which: index, deletes: fc.boolean() }),
  },
  { weight: 9, arbitrary: fc.constant({ do: "toClient" as const }) },
  { weight: 9, arbitrary: fc.constant({ do: "toServer" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "reject" as const }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("outside" as const), works: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("disturb" as const), which: index, how: fc.integer({ min: 0, max: 2 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("drop" as const),
      code: fc.constantFrom(undefined, 1001, 4000, 4001, 4004),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "heads" as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("expire" as const), room }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat(5000) }) },
);

test("messages are stored and reported once, in order", () => {
  const property = fc.property(fc.nat(24), fc.array(step, { maxLength: 250 }), fc.nat(), (earlier, steps, seed) => {
    const world = new World(seed);
    for (let number = 0; number < earlier; number++) world.bobSends(0, `earlier ${number}`);
    world.input();
    // The first pages are short; after them there must be no gap.
    expect(world.outside(true) && world.outside(true)).toBe(true);
    const sent: string[][] = [[], []];
    for (const [counter, step] of steps.entries()) {
      switch (step.do) {
        case "send":
          sent[step.room]!.push(`line ${counter}`);
          world.sends(step.room, `line ${counter}`);
          break;
        case "bobSends":
          world.bobSends(step.room, `words ${counter}`);
          break;
        case "bobChanges":
          world.bobChanges(step.room, step.which, step.deletes ? null : `better ${counter}`);
          break;
        case "toClient":
          world.deliverToClient();
          break;
        case "toServer":
          world.deliverToServer();
          break;
        case "reject":
          world.deliverToServer("unavailable");
          break;
        case "outside":
          world.outside(step.works);
          break;
        case "disturb":
          world.disturb(step.which, step.how);
          break;
        case "drop":
          world.drop(step.code);
          break;
        case "heads":
          world.sendHeads();
          break;
        case "expire":
          world.rooms[step.room]!.expired = world.rooms[step.room]!.log.length;
          break;
        case "pass":
          world.sleep(step.ms);
      }
    }
    world.settle();
    expect(world.stopped).toBeUndefined();
    for (const [number, first] of [Math.max(0, earlier - 20) + 1, 1].entries()) {
      expect(world.stored(number)).toEqual(sent[number]);
      const count = world.rooms[number]!.messages.length;
      const expected = [...Array(Math.max(0, count - first + 1)).keys()].map((offset) => first + offset);
      expect(world.rooms[number]!.displayed).toEqual(expected);
    }
  });
  fc.assert(property, { numRuns: 400 });
});
