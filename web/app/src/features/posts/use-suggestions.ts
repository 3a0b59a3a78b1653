import type { UserSummary } from "@blegram/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { blegram } from "../../site";
import type { Token } from "./token";

export interface Suggestion {
  name: string;
  /** Of a name. */
  user?: UserSummary;
  /** How many posts a hashtag has. */
  posts: number;
}

/** Typing at usual speed asks once for several letters. */
const SETTLE = 120;

/** The names or hashtags that a token may become. */
export function useSuggestions(token: Token | undefined): Suggestion[] {
  const query = useSettled(token?.query ?? "");
  const { data } = useQuery({
    queryKey: ["completions", query],
    queryFn: ({ signal }) => blegram.discovery.searchSuggestions({ q: query }, { signal }),
    enabled: query !== "",
    // The list does not flicker while the next one is loaded.
    placeholderData: keepPreviousData,
  });
  if (!token || !data || query === "") return [];
  return token.kind === "@"
    ? data.users.map((user) => ({ name: user.username, user, posts: 0 }))
    : data.hashtags.map(({ name, post_count }) => ({ name, posts: post_count }));
}

function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLE);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
