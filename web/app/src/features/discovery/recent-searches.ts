// The recent searches of the viewer. The server adds a search when its results are loaded.

import type { RecentSearch } from "@blegram/client";
import { useMutation, useQuery } from "@tanstack/react-query";
import { queries } from "../../query";
import { blegram } from "../../site";
import { toastError } from "../../ui/toast";
import { useMe } from "../session/session";

const RECENT = ["recent-searches"] as const;

/** A text that was searched for, in one or several kinds of results. */
export interface RecentText {
  text: string;
  /** What was looked at last. */
  kind: string;
  ids: string[];
}

export function useRecentSearches(): RecentText[] {
  const me = useMe();
  const { data } = useQuery({
    queryKey: RECENT,
    queryFn: async ({ signal }) => (await blegram.discovery.listRecentSearches({}, { signal }).page()).items,
    enabled: Boolean(me),
    // Every search adds to it.
    staleTime: 0,
  });
  return byText(data ?? []);
}

/** One entry for each text, newest first. */
export function byText(searches: RecentSearch[]): RecentText[] {
  const texts = new Map<string, RecentText>();
  for (const { id, query, kind } of searches) {
    const known = texts.get(query);
    if (known) known.ids.push(id);
    else texts.set(query, { text: query, kind, ids: [id] });
  }
  return [...texts.values()];
}

/** Deletes some of the recent searches, or all without `ids`. */
export function useDeleteRecentSearches() {
  return useMutation({
    mutationFn: async (ids: string[] | undefined) => {
      if (ids) await Promise.all(ids.map((id) => blegram.discovery.deleteRecentSearch(id)));
      else await blegram.discovery.deleteRecentSearches();
    },
    onMutate: async (ids) => {
      // Otherwise what is being read brings them back.
      await queries.cancelQueries({ queryKey: RECENT });
      queries.setQueryData<RecentSearch[]>(RECENT, (all) => (ids ? all?.filter(({ id }) => !ids.includes(id)) : []));
    },
    onError: toastError,
    onSettled: () => void queries.invalidateQueries({ queryKey: RECENT }),
  });
}
