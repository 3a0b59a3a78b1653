import type { SearchSuggestions } from "@blegram/client";
import { keysOf } from "./hangul";

/** The text to search for: without spaces around it; empty if there is nothing but the sign of a name or hashtag. */
export function searchTextOf(text: string): string {
  const trimmed = text.trim();
  return /^[@#]+$/.test(trimmed) ? "" : trimmed;
}

/** Those whose names are typed with the keys of a text, which may end with an unfinished syllable. */
export function startingWith(text: string, { users, hashtags }: SearchSuggestions): SearchSuggestions {
  const keys = keysOf(text.replace(/^[@#]+/, ""));
  const has = (name: string) => keysOf(name).includes(keys);
  return {
    users: users.filter(({ username, display_name }) => has(username) || has(display_name)),
    hashtags: hashtags.filter(({ name }) => has(name)),
  };
}
