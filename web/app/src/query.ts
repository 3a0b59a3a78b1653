// What the server has said, cached by TanStack Query. Components read it by `useQuery` and `usePages`; events of the gateway
// and the results of writes change it (`features/realtime`, and the `cache.ts` of each feature).

import { isTemporary, Problem } from "@blegram/client";
import { type InfiniteData, MutationCache, QueryCache, QueryClient, useInfiniteQuery } from "@tanstack/react-query";

/** The key of the account that is logged in; its data is `null` for visitors. */
export const ME = ["me"] as const;

export const queries = new QueryClient({
  queryCache: new QueryCache({ onError: endSession }),
  // Not by `defaultOptions`: a mutation with an `onError` of its own would replace it.
  mutationCache: new MutationCache({ onError: endSession }),
  defaultOptions: {
    queries: {
      // The SDK repeats what is worth to be repeated.
      retry: false,
      // Lists stay as they were read: new items are announced, and `back` returns to the same place.
      staleTime: 60_000,
      gcTime: 10 * 60_000,
      refetchOnWindowFocus: (query) => query.state.error !== null && isTemporary(query.state.error),
    },
    mutations: { retry: false },
  },
});

/** The session has ended, on this device or on another one: the app shows what visitors see. */
function endSession(error: unknown): void {
  if (!(error instanceof Problem) || error.status !== 401 || !queries.getQueryData(ME)) return;
  // A wrong password is 401, too, and ends no session: ask.
  void queries.invalidateQueries({ queryKey: ME });
}

/** A page of a list, as all operations return it. */
interface PageOf<Item> {
  items: Item[];
  next_cursor: string | null;
}

export type Loaded<Item> = InfiniteData<PageOf<Item>, unknown>;

/** A call of the SDK that returns a list. */
type List<Item> = (
  query: { cursor?: string; limit?: number },
  options: { signal: AbortSignal },
) => {
  page(): Promise<PageOf<Item>>;
};

/** The options of a list that is read page by page, for `useInfiniteQuery`. */
export function pages<Item>(queryKey: readonly unknown[], list: List<Item>) {
  return {
    queryKey,
    queryFn: ({ pageParam, signal }: { pageParam: string | undefined; signal: AbortSignal }) =>
      list(pageParam ? { cursor: pageParam } : {}, { signal }).page(),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: PageOf<Item>) => page.next_cursor ?? undefined,
  };
}

/** Reads a list page by page: `usePages(postsKey("home"), (...args) => blegram.timelines.home(...args))`. */
export function usePages<Item>(queryKey: readonly unknown[], list: List<Item>, options: { enabled?: boolean } = {}) {
  return useInfiniteQuery({ ...pages(queryKey, list), ...options });
}

/** The items of a list that has been read so far. */
export function itemsOf<Item>(data: Loaded<Item> | undefined): Item[] {
  return data?.pages.flatMap(({ items }) => items) ?? [];
}

/** Replaces items of a list, or drops those that `change` returns as `undefined`. Unchanged pages stay the same objects. */
export function changeItems<Item>(data: Loaded<Item>, change: (item: Item) => Item | undefined): Loaded<Item> {
  const changed = data.pages.map((page) => {
    const items = page.items.map(change);
    return items.every((item, index) => item === page.items[index])
      ? page
      : { ...page, items: items.filter((item) => item !== undefined) };
  });
  return changed.every((page, index) => page === data.pages[index]) ? data : { ...data, pages: changed };
}

/** Puts an item at the front of a list. */
export function prependItem<Item>(data: Loaded<Item>, item: Item): Loaded<Item> {
  const [first, ...others] = data.pages;
  return first ? { ...data, pages: [{ ...first, items: [item, ...first.items] }, ...others] } : data;
}
