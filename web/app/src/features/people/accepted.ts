import type { User } from "@blegram/client";
import { itemsOf, type Loaded } from "../../query";

/** A request that was accepted on this page, and its place in the list. */
export interface Accepted {
  user: User;
  index: number;
}

/**
 * The requests together with those that were accepted, which stay at their places as followers to follow back; the server
 * lists them no longer.
 */
export function withAccepted(data: Loaded<User>, accepted: readonly Accepted[]): Loaded<User> {
  const users = itemsOf(data).filter(({ id }) => !accepted.some(({ user }) => user.id === id));
  const places = [...accepted].sort((one, other) => one.index - other.index);
  for (const { user, index } of places) users.splice(index, 0, user);
  return { pages: [{ items: users, next_cursor: null }], pageParams: [undefined] };
}
