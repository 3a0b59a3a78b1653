// New posts of a list that is being read: they are counted, and shown when the reader asks for them.

import type { Post } from "@blegram/client";
import { useQuery } from "@tanstack/react-query";
import { type Loaded, queries, type usePages } from "../../query";
import { has } from "./cache";
import { listOf, topicOf } from "./topic-names";

type List = Parameters<typeof usePages<Post>>[1];

/** A page of a list that leads to newer posts, too. */
type NewestPage = { items: Post[]; next_cursor: string | null; prev_cursor?: string | null };

/** What a list does not show yet. */
export interface Newer {
  ids: string[];
  /** So many more, whose ids are not known. */
  others: number;
}

/** As many as a page can have. */
const MOST = 100;
const NONE: Newer = { ids: [], others: 0 };

export const newerKey = (list: readonly unknown[]) => ["newer-posts", ...list.slice(1)] as const;

/** Counts the new posts of a list: by events, and by a look when the tab becomes visible and after a reconnect. */
export function useNewer(queryKey: readonly unknown[], list: List, isLoaded: boolean) {
  const key = newerKey(queryKey);
  const { data = NONE } = useQuery({
    queryKey: key,
    queryFn: async ({ signal }): Promise<Newer> => {
      const { items } = await pageOfNewer(queryKey, list, signal);
      return { ids: unknownOf(queryKey, items).map(({ id }) => id), others: 0 };
    },
    enabled: isLoaded && topicOf(queryKey) !== undefined,
    // The list was just loaded.
    initialData: NONE,
    refetchOnWindowFocus: "always",
  });
  return { count: data.ids.length + data.others, show: () => show(queryKey, list) };
}

const pageOfNewer = (queryKey: readonly unknown[], list: List, signal: AbortSignal) => {
  const cursor = newestPage(queryKey)?.prev_cursor;
  return list(cursor ? { cursor, limit: MOST } : { limit: MOST }, { signal }).page() as Promise<NewestPage>;
};

const newestPage = (queryKey: readonly unknown[]) =>
  queries.getQueryData<Loaded<Post>>(queryKey)?.pages[0] as NewestPage | undefined;

function unknownOf(queryKey: readonly unknown[], posts: Post[]): Post[] {
  const data = queries.getQueryData<Loaded<Post>>(queryKey);
  return data ? posts.filter(({ id }) => !has(data, id)) : posts;
}

/** Puts the new posts at the front of the list; if they are more than a page, the list is loaded anew. */
async function show(queryKey: readonly unknown[], list: List): Promise<void> {
  const page = await pageOfNewer(queryKey, list, AbortSignal.timeout(30_000));
  if (page.items.length >= MOST) await queries.resetQueries({ queryKey, exact: true });
  else queries.setQueryData<Loaded<Post>>(queryKey, (data) => data && withNewer(data, page));
  queries.setQueryData(newerKey(queryKey), NONE);
}

/** The list with a page of newer posts, some of which it may have already. */
export function withNewer(data: Loaded<Post>, page: NewestPage): Loaded<Post> {
  const [first, ...others] = data.pages;
  if (!first) return data;
  const items = [...page.items.filter(({ id }) => !has(data, id)), ...first.items];
  const newest = { ...first, items, prev_cursor: page.prev_cursor };
  return { ...data, pages: [newest, ...others] };
}

/** A post was added to a topic. */
export function announce(topic: string, id: string): void {
  change(topic, (newer, data) =>
    newer.ids.includes(id) || has(data, id) ? newer : { ...newer, ids: [...newer.ids, id] },
  );
}

/** So many posts were added to a topic at once. */
export const announceMany = (topic: string, count: number) =>
  change(topic, (newer) => ({ ...newer, others: newer.others + count }));

/** A post was removed from a topic before it was shown. */
export const withdraw = (topic: string, id: string) =>
  change(topic, (newer) =>
    newer.ids.includes(id) ? { ...newer, ids: newer.ids.filter((other) => other !== id) } : newer,
  );

function change(topic: string, update: (newer: Newer, list: Loaded<Post>) => Newer): void {
  const list = listOf(topic);
  const data = list && queries.getQueryData<Loaded<Post>>(list);
  if (list && data) queries.setQueryData<Newer>(newerKey(list), (newer = NONE) => update(newer, data));
}

/** Looks for new posts of a list: at once if it is on the screen. */
export const lookForNewer = (list: readonly unknown[]) =>
  queries.invalidateQueries({ queryKey: newerKey(list), exact: true });
