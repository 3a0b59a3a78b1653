import type { User } from "@blegram/client";
import { expect, test } from "vitest";
import { withAccepted } from "./accepted";

const user = (id: string) => ({ id }) as User;
const list = (...pages: string[][]) => ({
  pages: pages.map((ids) => ({ items: ids.map(user), next_cursor: null })),
  pageParams: [undefined],
});
const ids = (data: ReturnType<typeof withAccepted>) =>
  data.pages.flatMap(({ items }) => items.map(({ id }) => id)).join("");

test("accepted requests stay at their places, whether the server still lists them or not", () => {
  const accepted = [
    { user: user("d"), index: 3 },
    { user: user("b"), index: 1 },
  ];
  expect(ids(withAccepted(list(["a", "b", "c"], ["d", "e"]), accepted))).toBe("abcde");
  expect(ids(withAccepted(list(["a", "c", "e"]), accepted))).toBe("abcde");
  expect(ids(withAccepted(list([]), accepted))).toBe("bd");
  expect(ids(withAccepted(list(["a"]), []))).toBe("a");
});
