// Comments in the query cache: the comments of a post, and the replies to one of them, each oldest first. All keys begin with
// `["comments"]`.

import type { Comment } from "@blegram/client";
import { changeItems, type Loaded, queries } from "../../query";

export const commentsKey = (post: string) => ["comments", "post", post] as const;
export const REPLIES = ["comments", "replies"] as const;
export const repliesKey = (comment: string) => [...REPLIES, comment] as const;

const listOf = ({ parent_id, post_id }: Comment) => (parent_id ? repliesKey(parent_id) : commentsKey(post_id));

/** Changes a comment wherever it is shown; `undefined` removes it. */
export function changeComment(id: string, change: (comment: Comment) => Comment | undefined): void {
  const changeIt = (comment: Comment) => (comment.id === id ? change(comment) : comment);
  queries.setQueriesData<Loaded<Comment>>({ queryKey: ["comments"] }, (data) => data && changeItems(data, changeIt));
}

/**
 * What was applied already: a change of the viewer arrives twice, as the result of the call and as an event, in any order, and
 * counts once.
 */
const applied = new Set<string>();

function isFirst(change: string): boolean {
  if (applied.has(change)) return false;
  applied.add(change);
  return true;
}

/**
 * Adds a comment to its list. One of another user waits until the pages before it are loaded, so that no comment is between
 * others; one's own (`isMine`) is shown at once.
 */
export function addComment(comment: Comment, isMine: boolean): void {
  const list = listOf(comment);
  queries.setQueryData<Loaded<Comment>>(list, (data) => data && appendComment(data, comment, isMine));
  void loadAgain(list);
  if (!isFirst(`created ${comment.id}`) || !comment.parent_id) return;
  changeComment(comment.parent_id, (parent) => ({ ...parent, reply_count: parent.reply_count + 1 }));
}

/** What is being loaded may be older than an event: it is loaded again. */
async function loadAgain(queryKey: readonly unknown[]): Promise<void> {
  const list = { queryKey, exact: true };
  const state = queries.getQueryState(queryKey);
  if (state?.fetchStatus !== "fetching") return;
  // A first load is not started again unless it is cancelled.
  if (state.data === undefined) await queries.cancelQueries(list);
  await queries.invalidateQueries(list);
}

export function appendComment(data: Loaded<Comment>, comment: Comment, isMine: boolean): Loaded<Comment> {
  const last = data.pages.at(-1);
  if (!last || data.pages.some(({ items }) => items.some(({ id }) => id === comment.id))) return data;
  if (last.next_cursor && !isMine) return data;
  return { ...data, pages: [...data.pages.slice(0, -1), { ...last, items: [...last.items, comment] }] };
}

/** Removes a comment. One with replies leaves its place to them. */
export function removeComment(id: string): void {
  const comment = findComment(id);
  if (!comment || !isFirst(`deleted ${id}`)) return;
  changeComment(id, (shown) =>
    shown.reply_count > 0
      ? { ...shown, is_deleted: true, author: null, text: null, mentions: [], like_count: 0 }
      : undefined,
  );
  if (!comment.parent_id) return;
  changeComment(comment.parent_id, (parent) => {
    const reply_count = Math.max(0, parent.reply_count - 1);
    return parent.is_deleted && reply_count === 0 ? undefined : { ...parent, reply_count };
  });
}

export function findComment(id: string): Comment | undefined {
  for (const [, data] of queries.getQueriesData<Loaded<Comment>>({ queryKey: ["comments"] }))
    for (const page of data?.pages ?? []) {
      const found = page.items.find((comment) => comment.id === id);
      if (found) return found;
    }
  return undefined;
}

/** Each comment once, at its last place: one's own is shown before the pages that lead to it are loaded. */
export function withoutRepeats(data: Loaded<Comment>): Loaded<Comment> {
  const seen = new Set<string>();
  const pages = data.pages.toReversed().map((page) => {
    const items = page.items.filter(({ id }) => !seen.has(id));
    for (const { id } of page.items) seen.add(id);
    return items.length === page.items.length ? page : { ...page, items };
  });
  return { ...data, pages: pages.reverse() };
}

/** The comment as it is after the viewer has liked it, or has liked it no more. */
export function withLike(comment: Comment, liked: boolean): Comment {
  if (!comment.viewer || comment.viewer.liked === liked) return comment;
  return { ...comment, like_count: Math.max(0, comment.like_count + (liked ? 1 : -1)), viewer: { liked } };
}
