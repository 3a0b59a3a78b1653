// Posts in the query cache: `["post", id]` is one, and every list of posts has a key that begins with `["posts"]`.

import type { Post } from "@blegram/client";
import { changeItems, type Loaded, prependItem, queries } from "../../query";

export const postKey = (id: string) => ["post", id] as const;
/** `postsKey("home")`, `postsKey("user", id)`, … */
export const postsKey = (...list: string[]) => ["posts", ...list] as const;

/** Changes a post wherever it is shown; `undefined` removes it. */
export function changePost(id: string, change: (post: Post) => Post | undefined): void {
  const changeIt = (post: Post) => (post.id === id ? change(post) : post);
  queries.setQueriesData<Loaded<Post>>({ queryKey: ["posts"] }, (data) => data && changeItems(data, changeIt));
  const one = queries.getQueryData<Post>(postKey(id));
  const changed = one && change(one);
  if (changed) queries.setQueryData(postKey(id), changed);
  else if (one) void queries.invalidateQueries({ queryKey: postKey(id) });
}

/** A post as an event or the result of an edit has it; the viewer's like and bookmark stay. */
export const updatePost = (post: Post) =>
  changePost(post.id, (old) => ({ ...post, viewer: post.viewer ?? old.viewer }));

/** Removes a post from one list. */
export function removeFromList(key: readonly unknown[], id: string): void {
  queries.setQueryData<Loaded<Post>>(
    key,
    (data) => data && changeItems(data, (post) => (post.id === id ? undefined : post)),
  );
}

/** Puts a post that the viewer has written at the front of the lists that it belongs to. */
export function addPost(post: Post): void {
  const lists = [postsKey("home"), postsKey("user", post.author.id)];
  if (post.visibility === "public") lists.push(postsKey("public"), ...post.hashtags.map((tag) => postsKey("tag", tag)));
  for (const key of lists) {
    queries.setQueryData<Loaded<Post>>(key, (data) => (data && !has(data, post.id) ? prependItem(data, post) : data));
  }
}

/** Whether a list has a post. */
export const has = (data: Loaded<Post>, id: string) =>
  data.pages.some(({ items }) => items.some((post) => post.id === id));

/** The post as it is after the viewer has liked it, or has liked it no more. */
export function withLike(post: Post, liked: boolean): Post {
  if (!post.viewer || post.viewer.liked === liked) return post;
  const like_count = Math.max(0, post.like_count + (liked ? 1 : -1));
  return { ...post, like_count, viewer: { ...post.viewer, liked } };
}

export function withBookmark(post: Post, bookmarked: boolean): Post {
  return post.viewer ? { ...post, viewer: { ...post.viewer, bookmarked } } : post;
}

/** Changes the number of comments of a post. */
export const countComments = (id: string, by: number) =>
  changePost(id, (post) => ({ ...post, comment_count: Math.max(0, post.comment_count + by) }));
