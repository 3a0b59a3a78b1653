// Users in the query cache: `["user", name]` is a profile by its username, every list of users has a key that begins with
// `["users"]`, and `["suggestions"]` has the accounts to follow, each with the reason for it.

import type { Post, SuggestedUser, User } from "@blegram/client";
import { changeItems, type Loaded, queries } from "../../query";

/** The key of a profile; usernames are the same in any case and composition. */
export const userKey = (username: string) => ["user", username.normalize("NFC").toLowerCase()] as const;
/** `usersKey("followers", id)`, `usersKey("search", text)`, … */
export const usersKey = (...list: string[]) => ["users", ...list] as const;
export const REQUESTS = usersKey("requests");
export const SUGGESTIONS = ["suggestions"] as const;

/** Changes a user wherever one is shown. */
export function changeUser(id: string, change: (user: User) => User): void {
  const changeIt = (user: User) => (user.id === id ? change(user) : user);
  queries.setQueriesData<User>({ queryKey: ["user"] }, (user) => user && changeIt(user));
  queries.setQueriesData<Loaded<User>>({ queryKey: ["users"] }, (data) => data && changeItems(data, changeIt));
  queries.setQueriesData<Loaded<SuggestedUser>>(
    { queryKey: SUGGESTIONS },
    (data) =>
      data &&
      changeItems(data, (suggested) => {
        const user = changeIt(suggested.user);
        return user === suggested.user ? suggested : { ...suggested, user };
      }),
  );
}

/** A user as the app knows it, if it does. */
export function findUser(id: string): User | undefined {
  const profiles = queries.getQueriesData<User>({ queryKey: ["user"] }).map(([, user]) => user);
  const lists = queries.getQueriesData<Loaded<User>>({ queryKey: ["users"] });
  const suggestions = queries.getQueriesData<Loaded<SuggestedUser>>({ queryKey: SUGGESTIONS });
  const users = [
    ...profiles,
    ...lists.flatMap(([, data]) => data?.pages.flatMap(({ items }) => items)),
    ...suggestions.flatMap(([, data]) => data?.pages.flatMap(({ items }) => items.map(({ user }) => user))),
  ];
  return users.find((user) => user?.id === id);
}

/** Removes the posts of an author from the lists for which `isIn` is true; returns how to put them back. */
export function dropPostsOf(author: string, isIn: (list: readonly unknown[]) => boolean): () => void {
  const lists = queries
    .getQueriesData<Loaded<Post>>({ queryKey: ["posts"] })
    .filter(([key, data]) => data && isIn(key.slice(1)));
  for (const [key, data] of lists)
    if (data)
      queries.setQueryData(
        key,
        changeItems(data, (post) => (post.author.id === author ? undefined : post)),
      );
  return () => {
    for (const [key, data] of lists) queries.setQueryData(key, data);
  };
}
