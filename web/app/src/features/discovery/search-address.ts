export const KINDS = ["posts", "users", "hashtags"] as const;
export type Kind = (typeof KINDS)[number];

/** The page with the results of a search. */
export const searchAddress = (text: string, kind?: string) =>
  `/search?${new URLSearchParams({ q: text, ...(kind ? { type: kind } : {}) })}`;

/** What a search looks for: what its address says, otherwise what its text begins with. */
export function kindOf(wanted: string | null, text: string): Kind {
  const kind = KINDS.find((known) => known === wanted);
  return kind ?? (text.startsWith("@") ? "users" : text.startsWith("#") ? "hashtags" : "posts");
}
