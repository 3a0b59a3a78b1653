import { describe, expect, test } from "vitest";
import { Pages } from "../../src/index.js";

interface Item {
  id: string;
}

/** A list on a server, whose cursors are positions between items. */
function server(isOldestFirst: boolean) {
  const items: Item[] = [];
  let loads = 0;
  const add = (...numbers: number[]) =>
    items.push(...numbers.map((number) => ({ id: `id${String(number).padStart(3, "0")}` })));
  /** Of a list whose newest items come first: `older:N` are those before item N, `newer:N` those from item N on. */
  const load = async ({ cursor, since_id }: { cursor?: string | undefined; since_id?: string | undefined }) => {
    loads++;
    const [direction, position] = cursor?.split(":") ?? [];
    if (isOldestFirst) {
      const start = cursor ? Number(position) : since_id ? items.findIndex(({ id }) => id === since_id) + 1 : 0;
      const page = items.slice(start, start + 2);
      return { items: page, next_cursor: start + 2 < items.length ? `next:${start + 2}` : null, prev_cursor: null };
    }
    const end = direction === "older" ? Number(position) : items.length;
    const [from, to] = direction === "newer" ? [Number(position), Number(position) + 2] : [Math.max(0, end - 2), end];
    const page = items.slice(from, to);
    return {
      items: page.reverse(),
      next_cursor: from > 0 ? `older:${from}` : null,
      prev_cursor: `newer:${Math.min(to, items.length)}`,
    };
  };
  return {
    add,
    pages: new Pages<{ items: Item[]; next_cursor: string | null; prev_cursor: string | null }>(load, isOldestFirst),
    loads: () => loads,
  };
}

async function read(items: AsyncIterable<Item>): Promise<string> {
  const found: number[] = [];
  for await (const { id } of items) found.push(Number(id.slice(2)));
  return found.join(" ");
}

describe.each([
  ["newest first", false],
  ["oldest first", true],
])("a list with the %s", (_, isOldestFirst) => {
  test("is read to its end, and later from there", async () => {
    const { add, pages } = server(isOldestFirst);
    add(1, 2, 3, 4, 5);
    expect(await read(pages)).toBe(isOldestFirst ? "1 2 3 4 5" : "5 4 3 2 1");
    expect(await read(pages.newer())).toBe("");
    add(6, 7, 8);
    expect(await read(pages.newer())).toBe("6 7 8");
    add(9);
    expect(await read(pages.newer())).toBe("9");
    expect(await read(pages.newer())).toBe("");
  });

  test("of which nothing was read begins with its first page", async () => {
    const { add, pages } = server(isOldestFirst);
    expect(await read(pages.newer())).toBe("");
    add(1, 2, 3);
    expect(await read(pages.newer())).toBe("1 2 3");
  });

  test("loads pages only as they are read", async () => {
    const { add, pages, loads } = server(isOldestFirst);
    add(1, 2, 3, 4, 5, 6);
    expect(await pages.take(2)).toHaveLength(2);
    expect(loads()).toBe(1);
    expect(await pages.take(0)).toEqual([]);
    expect(loads()).toBe(1);
  });
});

test("a reader of newer items that stops gets the rest of the page again", async () => {
  const { add, pages } = server(false);
  add(1);
  await pages.page();
  add(2, 3, 4, 5);
  for await (const { id } of pages.newer()) if (id === "id003") break;
  // The second page was not begun.
  expect(await read(pages.newer())).toBe("2 3 4 5");
});
