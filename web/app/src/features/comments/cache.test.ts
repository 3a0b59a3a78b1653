import type { Comment } from "@blegram/client";
import { beforeEach, describe, expect, test } from "vitest";
import { itemsOf, type Loaded, queries } from "../../query";
import {
  addComment,
  changeComment,
  commentsKey,
  findComment,
  removeComment,
  repliesKey,
  withLike,
  withoutRepeats,
} from "./cache";

let ids = 0;
const comment = (more: Partial<Comment> = {}) =>
  ({
    id: `c${++ids}`,
    post_id: "p",
    parent_id: null,
    author: { id: "a" },
    text: "text",
    mentions: [],
    like_count: 0,
    reply_count: 0,
    is_deleted: false,
    viewer: { liked: false },
    ...more,
  }) as unknown as Comment;

const loaded = (items: Comment[], next_cursor: string | null = null): Loaded<Comment> => ({
  pages: [{ items, next_cursor }],
  pageParams: [undefined],
});
const shown = (key: readonly unknown[]) => itemsOf(queries.getQueryData<Loaded<Comment>>(key)).map(({ id }) => id);

beforeEach(() => queries.clear());

describe("a new comment", () => {
  test("is at the end, once, however often it arrives", () => {
    const [a, b] = [comment(), comment()];
    queries.setQueryData(commentsKey("p"), loaded([a]));
    addComment(b, true);
    addComment(b, false);
    expect(shown(commentsKey("p"))).toEqual([a.id, b.id]);
  });

  test("of others waits for the comments before it; one's own does not", () => {
    const [a, b, c] = [comment(), comment(), comment()];
    queries.setQueryData(commentsKey("p"), loaded([a], "more"));
    addComment(b, false);
    expect(shown(commentsKey("p"))).toEqual([a.id]);
    addComment(c, true);
    expect(shown(commentsKey("p"))).toEqual([a.id, c.id]);
    // The next page has it at its place.
    const data = {
      pages: [
        { items: [a, c], next_cursor: "x" },
        { items: [b, c], next_cursor: null },
      ],
      pageParams: [],
    };
    expect(itemsOf(withoutRepeats(data)).map(({ id }) => id)).toEqual([a.id, b.id, c.id]);
  });

  test("that is a reply counts once", () => {
    const parent = comment();
    const reply = comment({ parent_id: parent.id });
    queries.setQueryData(commentsKey("p"), loaded([parent]));
    queries.setQueryData(repliesKey(parent.id), loaded([]));
    addComment(reply, false);
    addComment(reply, true);
    expect(shown(repliesKey(parent.id))).toEqual([reply.id]);
    expect(findComment(parent.id)?.reply_count).toBe(1);
  });
});

describe("a deleted comment", () => {
  test("leaves, unless it has replies", () => {
    const [a, b] = [comment(), comment({ reply_count: 1 })];
    queries.setQueryData(commentsKey("p"), loaded([a, b]));
    removeComment(a.id);
    removeComment(b.id);
    expect(shown(commentsKey("p"))).toEqual([b.id]);
    expect(findComment(b.id)).toMatchObject({ is_deleted: true, author: null, text: null });
  });

  test("takes the place of its thread with it if it was the last reply", () => {
    const parent = comment({ reply_count: 1 });
    const reply = comment({ parent_id: parent.id });
    queries.setQueryData(commentsKey("p"), loaded([parent]));
    queries.setQueryData(repliesKey(parent.id), loaded([reply]));
    removeComment(parent.id);
    removeComment(reply.id);
    removeComment(reply.id);
    expect(shown(commentsKey("p"))).toEqual([]);
  });
});

test("a like counts once, and changes no other comment", () => {
  const [a, b] = [comment(), comment()];
  queries.setQueryData(commentsKey("p"), loaded([a, b]));
  changeComment(a.id, (found) => withLike(withLike(found, true), true));
  expect([findComment(a.id)?.like_count, findComment(b.id)?.like_count]).toEqual([1, 0]);
});
