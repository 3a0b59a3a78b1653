import type { Comment } from "@blegram/client";
import { QueryObserver } from "@tanstack/react-query";
import { beforeEach, expect, test, vi } from "vitest";
import { itemsOf, type Loaded, queries } from "../../query";
import { fakeGateway } from "../realtime/fake-gateway";
import { commentsKey, repliesKey } from "./cache";
import { latestKey, listenToComments } from "./events";

const comment = (id: string, more: Partial<Comment> = {}) =>
  ({
    id,
    post_id: "p",
    parent_id: null,
    author: { id: "a" },
    text: id,
    reply_count: 0,
    viewer: null,
    ...more,
  }) as Comment;
const list = (...items: Comment[]): Loaded<Comment> => ({
  pages: [{ items, next_cursor: null }],
  pageParams: [undefined],
});
const shown = () => itemsOf(queries.getQueryData<Loaded<Comment>>(commentsKey("p")));
const latest = () => queries.getQueryData<Comment>(latestKey("p"))?.id;
let emit: ReturnType<typeof fakeGateway>;

beforeEach(() => {
  queries.clear();
  emit = fakeGateway(listenToComments, "me");
  queries.setQueryData(commentsKey("p"), list(comment("1", { viewer: { liked: true } })));
});

test("a comment of another user is shown and announced; one's own is only shown", () => {
  emit("comment.created", { comment: comment("2") });
  emit("comment.created", { comment: comment("3", { author: { id: "me" } as Comment["author"] }) });
  expect(shown().map(({ id }) => id)).toEqual(["1", "2", "3"]);
  // It can be liked.
  expect(shown()[1]?.viewer).toEqual({ liked: false });
  expect(latest()).toBe("2");
});

test("an edit does not take the like of the viewer away", () => {
  emit("comment.updated", { comment: comment("1", { text: "edited" }) });
  expect(shown()[0]).toMatchObject({ text: "edited", viewer: { liked: true } });
});

test("a deletion of the post deletes no comment", () => {
  emit("comment.deleted", { topic: "post:p", post_id: "p", comment_id: null });
  expect(shown().length).toBe(1);
  emit("comment.deleted", { topic: "post:p", post_id: "p", comment_id: "1" });
  expect(shown().length).toBe(0);
});

test("comments that were loaded before the subscription are loaded again", () => {
  queries.setQueryData(repliesKey("1"), list());
  queries.setQueryData(commentsKey("q"), list());
  const isStale = (key: readonly unknown[]) => queries.getQueryState(key)?.isInvalidated;
  emit("connected", {});
  emit("synced", { topics: { "post:p": "ok", "timeline:home": "ok" } });
  expect([commentsKey("p"), repliesKey("1"), commentsKey("q")].map(isStale)).toEqual([true, true, false]);
});

test.each(["again", "for the first time"])(
  "a comment that arrives while its list is loaded %s is not lost",
  async (when) => {
    if (when !== "again") queries.clear();
    // What the server answers first is older than the event.
    const answers = [list(comment("1")), list(comment("1"), comment("9"))];
    const requests: (() => void)[] = [];
    const queryFn = () =>
      new Promise<Loaded<Comment>>((resolve) => {
        const answer = answers[requests.length] ?? list();
        requests.push(() => resolve(answer));
      });
    const observer = new QueryObserver(queries, { queryKey: commentsKey("p"), queryFn, staleTime: 0 });
    const leave = observer.subscribe(() => {});
    await vi.waitFor(() => expect(requests.length).toBe(1));
    emit("comment.created", { comment: comment("9") });
    requests[0]?.();
    await vi.waitFor(() => expect(requests.length).toBe(2));
    requests[1]?.();
    await vi.waitFor(() => expect(queries.isFetching()).toBe(0));
    leave();
    expect(shown().map(({ id }) => id)).toEqual(["1", "9"]);
  },
);
