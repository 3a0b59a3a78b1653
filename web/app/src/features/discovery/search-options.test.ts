import { expect, test } from "vitest";
import { neighbour, optionsOf } from "./search-options";
import { searchTextOf, startingWith } from "./search-text";

const user = (username: string, display_name: string) => ({ id: username, username, display_name, avatar_url: null });
const tag = (name: string) => ({ name, post_count: 1 });

test("arrows go around by the field", () => {
  const options = optionsOf("노을", { users: [user("noeul", "노을")], hashtags: [tag("노을")] });
  const path: (string | undefined)[] = [undefined];
  for (let step = 0; step < 5; step++) path.push(neighbour(options, path.at(-1), 1));
  expect(path).toEqual([undefined, "search", "noeul", "#노을", undefined, "search"]);
  expect(neighbour(options, undefined, -1)).toBe("#노을");
  expect(neighbour(options, "search", -1)).toBeUndefined();
  // The active one has left the list meanwhile.
  expect(neighbour(options, "left", 1)).toBe("search");
});

test("addresses are encoded", () => {
  const [search, , hashtag] = optionsOf("#a&b", { users: [user("제주", "제주")], hashtags: [tag("100%")] });
  expect(search?.to).toBe("/search?q=%23a%26b&type=hashtags");
  expect(hashtag?.to).toBe("/tags/100%25");
});

test("an unfinished syllable chooses from what is found without it", () => {
  const found = { users: [user("noeul", "노을빛"), user("nolja", "놀자")], hashtags: [tag("노을"), tag("노래")] };
  expect(startingWith("노으", found)).toEqual({ users: [found.users[0]], hashtags: [found.hashtags[0]] });
  expect(startingWith("#녹", found)).toEqual({ users: [], hashtags: [] });
  expect(startingWith("@놀", found)).toEqual({ users: [found.users[1]], hashtags: [found.hashtags[1]] });
});

test("a sign alone is no search", () => {
  expect(["", "  ", "@", " # "].map(searchTextOf)).toEqual(["", "", "", ""]);
  expect(searchTextOf(" #노을 ")).toBe("#노을");
});
