// Who is logged in, on this page and in the other tabs of the browser.

import { type Account, Problem } from "@blegram/client";
import { queryOptions, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { ME, queries } from "../../query";
import { blegram } from "../../site";

/** The account that is logged in, or `null`. */
export const meQuery = queryOptions({
  queryKey: ME,
  queryFn: async ({ signal }): Promise<Account | null> => {
    try {
      return await blegram.users.getMe({ signal });
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 5 * 60_000,
  gcTime: Number.POSITIVE_INFINITY,
});

/** The account that is logged in, or `null` for visitors. */
export function useMe(): Account | null {
  return useQuery(meQuery).data ?? null;
}

/** The limits, features and login providers of the site. */
export const instanceQuery = queryOptions({
  queryKey: ["instance"],
  queryFn: ({ signal }) => blegram.instance.get({ signal }),
  staleTime: 60 * 60_000,
});

/** The limits, features and login providers of the site; waits until they are known. */
export const useInstance = () => useSuspenseQuery(instanceQuery).data;

/** Logins and logouts of other tabs, and the end of sessions. */
const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("blegram-session");
channel?.addEventListener("message", () => void restart());

/** Call it after a login: shows the app as that account sees it, in every tab. */
export async function loggedIn(): Promise<void> {
  channel?.postMessage("login");
  await restart();
}

/** Logs out, in every tab. */
export async function logOut(): Promise<void> {
  await blegram.auth.logOut();
  await loggedOut();
}

/** Call it when the session has ended: what the account saw is removed from the page. */
export async function loggedOut(): Promise<void> {
  channel?.postMessage("logout");
  await restart();
}

/** Forgets what the server said to the previous account. */
async function restart(): Promise<void> {
  await queries.cancelQueries();
  const previous = queries.getQueryData(ME) as Account | null | undefined;
  const next = await queries.fetchQuery({ ...meQuery, staleTime: 0 });
  if (previous?.id === next?.id) return;
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== ME[0] && queryKey[0] !== "instance" });
  queries.setQueryData(ME, next);
}
