// What a search field suggests while the user types.

import type { SearchSuggestions } from "@blegram/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { blegram } from "../../site";
import { beforeLastKeys } from "./hangul";
import { searchTextOf, startingWith } from "./search-text";

const NONE: SearchSuggestions = { users: [], hashtags: [] };

/** The suggestions for a text that may be unfinished; those for the previous text until they are loaded. */
export function useSuggestions(text: string): SearchSuggestions {
  const wanted = useDebounced(searchTextOf(text), 150);
  const { data } = useQuery({
    queryKey: ["search-suggestions", wanted],
    queryFn: ({ signal }) => suggest(wanted, signal),
    enabled: wanted !== "",
    placeholderData: keepPreviousData,
    gcTime: 60_000,
  });
  return (wanted !== "" && data) || NONE;
}

/** Asks the server; if it finds nothing because the last syllable is unfinished, chooses from what it finds without it. */
async function suggest(q: string, signal: AbortSignal): Promise<SearchSuggestions> {
  const found = await blegram.discovery.searchSuggestions({ q }, { signal });
  const shorter = beforeLastKeys(q);
  if (found.users.length + found.hashtags.length > 0 || !shorter || !searchTextOf(shorter)) return found;
  return startingWith(q, await blegram.discovery.searchSuggestions({ q: shorter }, { signal }));
}

function useDebounced(value: string, milliseconds: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}
