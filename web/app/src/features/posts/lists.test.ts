import type { Post } from "@blegram/client";
import { beforeEach, describe, expect, test } from "vitest";
import { itemsOf, type Loaded, queries } from "../../query";
import { addPost, changePost, postKey, postsKey, removeFromList, updatePost, withBookmark, withLike } from "./cache";
import { announce, announceMany, type Newer, newerKey, withdraw, withNewer } from "./newer";
import { listOf, topicOf } from "./topic-names";

const post = (id: string, more: Partial<Post> = {}) =>
  ({
    id,
    text: id,
    author: { id: "a" },
    hashtags: [],
    visibility: "public",
    like_count: 1,
    viewer: { liked: false, bookmarked: false },
    ...more,
  }) as unknown as Post;

function list(...ids: string[]): Loaded<Post> {
  return { pages: [{ items: ids.map((id) => post(id)), next_cursor: null }], pageParams: [undefined] };
}

const ids = (key: readonly unknown[]) => itemsOf(queries.getQueryData<Loaded<Post>>(key)).map(({ id }) => id);
const newer = (key: readonly unknown[]) => queries.getQueryData<Newer>(newerKey(key));

beforeEach(() => queries.clear());

describe("posts in the cache", () => {
  test("a change is in every list and on the page of the post", () => {
    queries.setQueryData(postsKey("home"), list("1", "2"));
    queries.setQueryData(postsKey("tag", "sea"), list("2"));
    queries.setQueryData(postKey("2"), post("2"));
    changePost("2", (shown) => ({ ...shown, text: "changed" }));
    for (const key of [postsKey("home"), postsKey("tag", "sea")])
      expect(itemsOf(queries.getQueryData<Loaded<Post>>(key)).at(-1)?.text).toBe("changed");
    expect(queries.getQueryData<Post>(postKey("2"))?.text).toBe("changed");
    changePost("2", () => undefined);
    expect([ids(postsKey("home")), ids(postsKey("tag", "sea"))]).toEqual([["1"], []]);
    removeFromList(postsKey("home"), "1");
    expect(ids(postsKey("home"))).toEqual([]);
  });

  test("an event does not take the like and the bookmark of the viewer away", () => {
    queries.setQueryData(postKey("1"), post("1", { viewer: { liked: true, bookmarked: true } }));
    updatePost(post("1", { text: "edited", viewer: null }));
    expect(queries.getQueryData<Post>(postKey("1"))).toMatchObject({ text: "edited", viewer: { liked: true } });
  });

  test("a new post is in the lists that it belongs to, once", () => {
    const lists = [
      postsKey("home"),
      postsKey("public"),
      postsKey("user", "a"),
      postsKey("tag", "sea"),
      postsKey("liked"),
    ];
    for (const key of lists) queries.setQueryData(key, list("1"));
    addPost(post("2", { hashtags: ["sea"] }));
    addPost(post("2", { hashtags: ["sea"] }));
    expect(lists.map(ids)).toEqual([["2", "1"], ["2", "1"], ["2", "1"], ["2", "1"], ["1"]]);
    addPost(post("3", { hashtags: ["sea"], visibility: "followers" }));
    expect(lists.map((key) => ids(key)[0])).toEqual(["3", "2", "3", "2", "1"]);
  });

  test("a like counts once", () => {
    const liked = withLike(post("1"), true);
    expect(liked).toMatchObject({ like_count: 2, viewer: { liked: true } });
    expect(withLike(liked, true)).toBe(liked);
    expect(withLike(liked, false).like_count).toBe(1);
    expect(withLike(post("1", { like_count: 0, viewer: { liked: true, bookmarked: false } }), false).like_count).toBe(
      0,
    );
    const visitor = post("1", { viewer: null });
    expect(withLike(visitor, true)).toBe(visitor);
    expect(withBookmark(post("1"), true).viewer?.bookmarked).toBe(true);
  });
});

describe("new posts", () => {
  const home = postsKey("home");

  test("are counted once, and not if they are shown or not loaded", () => {
    announce("timeline:home", "3");
    expect(newer(home)).toBeUndefined();
    queries.setQueryData(home, list("1", "2"));
    for (const id of ["3", "3", "4", "1"]) announce("timeline:home", id);
    announceMany("timeline:home", 5);
    expect(newer(home)).toEqual({ ids: ["3", "4"], others: 5 });
    withdraw("timeline:home", "4");
    withdraw("timeline:home", "9");
    expect(newer(home)).toEqual({ ids: ["3"], others: 5 });
    announce("user:1", "7");
    announce("post:1", "7");
    expect(queries.getQueryCache().findAll({ queryKey: ["newer-posts"] }).length).toBe(1);
  });

  test("are put before the others, and the next ones are found after them", () => {
    const data = withNewer(list("2", "1"), { items: [post("3"), post("2")], next_cursor: null, prev_cursor: "c" });
    expect(itemsOf(data).map(({ id }) => id)).toEqual(["3", "2", "1"]);
    expect(data.pages[0]).toMatchObject({ prev_cursor: "c" });
  });
});

test("lists that are sorted by time have a topic", () => {
  const lists = [postsKey("home"), postsKey("public"), postsKey("tag", "제주"), postsKey("user", "1")];
  expect(lists.map(topicOf)).toEqual(["timeline:home", "timeline:public", "hashtag:제주", "user:1"]);
  for (const key of lists) expect(listOf(topicOf(key) ?? "")).toEqual(key);
  for (const key of [
    postsKey("liked"),
    postsKey("bookmarks"),
    postsKey("search", "x"),
    postsKey("tag"),
    postsKey("user", "1", "photos"),
  ])
    expect(topicOf(key), String(key)).toBeUndefined();
  expect(listOf("post:1")).toBeUndefined();
});
