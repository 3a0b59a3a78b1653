import { Problem, type User } from "@blegram/client";
import { queryOptions, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { itemsOf, type Loaded, pages } from "../../query";
import { blegram } from "../../site";
import { REQUESTS, userKey } from "./cache";

/** The profile of a user. */
export const userQuery = (username: string) =>
  queryOptions({
    queryKey: userKey(username),
    queryFn: ({ signal }) => blegram.users.get(`@${username}`, { signal }),
  });

/** The name in the path of a profile, `/@name`; `undefined` if it is not one. */
export function usernameIn(at: string | undefined): string | undefined {
  return at?.startsWith("@") && at.length > 1 ? at.slice(1) : undefined;
}

/** Whether the user does not exist, or the viewer may not know of it. */
export const isNotFound = (error: unknown) => error instanceof Problem && error.status === 404;

/** Whether the posts and the lists of an account are closed to the viewer, and why. */
export function closedBy(user: User, viewerId: string | undefined): "blocked" | "private" | undefined {
  if (user.id === viewerId) return undefined;
  if (user.viewer?.blocking) return "blocked";
  return user.is_private && !user.viewer?.following ? "private" : undefined;
}

const MOST_REQUESTS = 50;

/** The requests to follow the viewer, newest first. */
const requests = pages<User>(REQUESTS, (query, options) =>
  blegram.users.listFollowRequests({ limit: MOST_REQUESTS, ...query }, options),
);

/** The requests to follow the viewer; `select` may change what is shown of them. */
export const useFollowRequests = (select: (data: Loaded<User>) => Loaded<User>) =>
  useInfiniteQuery({ ...requests, select });

/** How many requests wait for a decision: exact up to a page of them, then `isMore`. */
export function useRequestCount(): { count: number; isMore: boolean } {
  const { data, hasNextPage } = useInfiniteQuery(requests);
  return { count: itemsOf(data).length, isMore: hasNextPage };
}

/** A profile that follows the events and the changes of the viewer. */
export const useUser = (username: string) => useQuery(userQuery(username));
