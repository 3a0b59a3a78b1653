import type { Hashtag, SearchSuggestions, UserSummary } from "@blegram/client";
import { kindOf, searchAddress } from "./search-address";

/** Something that a search field offers. */
export type SearchOption = { key: string; to: string } & (
  | { kind: "search"; text: string }
  | { kind: "user"; user: UserSummary }
  | { kind: "hashtag"; hashtag: Hashtag }
);

/** The search for the text itself, then what is suggested for it. */
export function optionsOf(text: string, { users, hashtags }: SearchSuggestions): SearchOption[] {
  return [
    { kind: "search", key: "search", to: searchAddress(text, kindOf(null, text)), text },
    ...users.map((user) => ({ kind: "user", key: user.id, to: `/@${user.username}`, user }) as const),
    ...hashtags.map(
      (hashtag) =>
        ({
          kind: "hashtag",
          key: `#${hashtag.name}`,
          to: `/tags/${encodeURIComponent(hashtag.name)}`,
          hashtag,
        }) as const,
    ),
  ];
}

/** The option that an arrow leads to; `undefined` is the field itself, before the first and after the last one. */
export function neighbour(options: SearchOption[], active: string | undefined, step: 1 | -1): string | undefined {
  const index = options.findIndex(({ key }) => key === active);
  const next = index < 0 && step < 0 ? options.length - 1 : index + step;
  return options[next]?.key;
}
