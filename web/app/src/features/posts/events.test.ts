import type { Post } from "@blegram/client";
import { beforeEach, expect, test } from "vitest";
import { itemsOf, type Loaded, queries } from "../../query";
import { fakeGateway } from "../realtime/fake-gateway";
import { postKey, postsKey } from "./cache";
import { listenToPosts } from "./events";
import { type Newer, newerKey } from "./newer";

const post = (id: string, author = "a") =>
  ({ id, text: id, author: { id: author }, like_count: 0, comment_count: 0, viewer: null }) as unknown as Post;
const HOME = postsKey("home");
const SEA = postsKey("tag", "sea");
const LIKED = postsKey("liked");

const ids = (key: readonly unknown[]) => itemsOf(queries.getQueryData<Loaded<Post>>(key)).map(({ id }) => id);
const newer = (key: readonly unknown[]) => queries.getQueryData<Newer>(newerKey(key));
let emit: ReturnType<typeof fakeGateway>;

beforeEach(() => {
  queries.clear();
  emit = fakeGateway(listenToPosts, "me");
  for (const key of [HOME, SEA, LIKED])
    queries.setQueryData<Loaded<Post>>(key, {
      pages: [{ items: [post("1")], next_cursor: null }],
      pageParams: [undefined],
    });
  queries.setQueryData(postKey("1"), post("1"));
});

test("a new post is announced on the list of its topic; one's own is not", () => {
  emit("post.created", { topic: "hashtag:sea", post: post("2") });
  emit("post.created", { topic: "timeline:home", post: post("3", "me") });
  emit("timeline.head", { topic: "hashtag:sea", count: 4 });
  expect(newer(SEA)).toEqual({ ids: ["2"], others: 4 });
  expect(newer(HOME)).toBeUndefined();
  expect([ids(SEA), ids(HOME)]).toEqual([["1"], ["1"]]);
});

test("a post that leaves a list stays in the others; one that leaves its own topic leaves all", () => {
  emit("post.deleted", { topic: "hashtag:sea", post_id: "1", comment_id: null });
  expect([ids(SEA), ids(HOME), ids(LIKED)]).toEqual([[], ["1"], ["1"]]);
  expect(queries.getQueryState(postKey("1"))?.isInvalidated).toBe(true);
  emit("post.deleted", { topic: "post:1", post_id: "1", comment_id: null });
  expect([ids(HOME), ids(LIKED)]).toEqual([[], []]);
});

test("counts and edits are shown in every list", () => {
  emit("post.counts", { post_id: "1", like_count: 7, comment_count: 2 });
  emit("post.updated", { topic: "timeline:home", post: { ...post("1"), text: "edited" } });
  for (const key of [HOME, LIKED]) expect(itemsOf(queries.getQueryData<Loaded<Post>>(key))[0]?.text).toBe("edited");
  emit("post.counts", { post_id: "1", like_count: 7, comment_count: 2 });
  expect(queries.getQueryData<Post>(postKey("1"))).toMatchObject({ text: "edited", like_count: 7, comment_count: 2 });
});

test("what happened before the subscription is looked for, once for each connection", () => {
  const isStale = () => queries.getQueryState(newerKey(HOME))?.isInvalidated;
  const forget = () => queries.setQueryData<Newer>(newerKey(HOME), { ids: [], others: 0 });
  forget();
  emit("connected", {});
  emit("synced", { topics: { "timeline:home": "forbidden" } });
  expect(isStale()).toBe(false);
  emit("synced", { topics: { "timeline:home": "ok" } });
  expect(isStale()).toBe(true);
  forget();
  emit("synced", { topics: { "timeline:home": "ok" } });
  expect(isStale()).toBe(false);
  emit("connected", {});
  emit("synced", { topics: { "timeline:home": "ok" } });
  expect(isStale()).toBe(true);
  expect(queries.getQueryState(postKey("1"))?.isInvalidated).toBe(true);
});
