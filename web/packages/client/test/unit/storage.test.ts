import { IDBFactory } from "fake-indexeddb";
import { describe, expect, test } from "vitest";
import { indexedDbOutbox, memoryOutbox, type OutboxEntry } from "../../src/index.js";

const entry = (number: number, tab = "tab"): OutboxEntry => ({
  draft: { conversation_id: "c", client_id: `id${number}`, text: `${number}` },
  tab,
});

describe.each([
  ["memory", () => memoryOutbox()],
  ["IndexedDB", () => indexedDbOutbox(new IDBFactory(), "outbox")],
])("an outbox in %s", (_, create) => {
  test("has the messages in order, also after one was replaced", async () => {
    const outbox = create();
    for (const number of [3, 1, 2]) await outbox.put(entry(number));
    await outbox.put({ ...entry(3, "other"), error: { code: "no", detail: "no" } });
    await outbox.delete("id1");
    await outbox.delete("unknown");
    const found = await outbox.load();
    expect(found.map(({ draft, tab, error }) => [draft.text, tab, error?.code])).toEqual([
      ["3", "other", "no"],
      ["2", "tab", undefined],
    ]);
  });
});

test("an outbox in IndexedDB survives the page, and data that was cleared", async () => {
  const factory = new IDBFactory();
  await indexedDbOutbox(factory, "outbox").put(entry(1));
  const outbox = indexedDbOutbox(factory, "outbox");
  expect(await outbox.load()).toHaveLength(1);
  await new Promise((resolve) => {
    factory.deleteDatabase("outbox").onsuccess = resolve;
  });
  expect(await outbox.load()).toEqual([]);
  await outbox.put(entry(2));
  expect(await outbox.load()).toHaveLength(1);
});
