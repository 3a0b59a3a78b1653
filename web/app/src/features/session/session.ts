// Who is logged in, on this page and in the other tabs of the browser.
//
// All tabs share the cookie of the session, so all of them show the same account. The account in the cache (`ME`) is the
// one truth: whenever it changes, what the previous account saw is removed, and the other tabs are notified.

import { type Account, Problem } from "@blegram/client";
import { hashKey, queryOptions, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { ME, queries } from "../../query";
import { basePath, blegram } from "../../site";
import { deviceChoices, restoreChoices } from "./device-choices";

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
  // A page that was frozen, or restored from the back-forward cache, missed what other tabs said.
  refetchOnWindowFocus: "always",
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

/** Call it after a login, or with what a change of the account returned: shows the app as that account sees it, in every tab. */
export async function loggedIn(account: Account): Promise<void> {
  await replace(account);
}

/** Logs out, in every tab. It succeeds without a session, too. */
export const logOut = () => endSession(() => blegram.auth.logOut());

/** Runs what ends the session: what the account saw is removed from every tab, and this one shows the home page. */
export async function endSession(end: () => Promise<void>): Promise<void> {
  // Before: the gateway may report the end first.
  endedHere = true;
  const choices = deviceChoices();
  try {
    await end();
  } catch (error) {
    endedHere = false;
    throw error;
  }
  restoreChoices(choices);
  await replace(null);
}

let endedHere = false;

/** Whether the session was ended by an action on this page. Then nothing needs to be said, and the login is not what comes next. */
export const hasEndedHere = () => endedHere;

/** Call it when the page has changed: the next session may end elsewhere. */
export const resetEnd = () => {
  endedHere = false;
};

async function replace(account: Account | null): Promise<void> {
  // A response that is on its way is about the previous session.
  await queries.cancelQueries({ queryKey: ME });
  queries.setQueryData(ME, account);
}

/** The id of the account on this page, `null` for visitors, `undefined` until it is known. */
let shown: string | null | undefined;

/** Says to the other tabs which account this page shows. Sites at other paths of the origin have accounts of their own. */
const channel =
  typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(`blegram-session${basePath}`);
channel?.addEventListener("message", ({ data }) => {
  // They disagree: the server knows.
  if (shown !== undefined && data !== shown) void queries.invalidateQueries({ queryKey: ME });
});

queries.getQueryCache().subscribe(({ type, query }) => {
  if (type !== "updated" || query.queryHash !== hashKey(ME) || query.state.data === undefined) return;
  const id = (query.state.data as Account | null)?.id ?? null;
  if (id === shown) return;
  const isFirst = shown === undefined;
  shown = id;
  channel?.postMessage(id);
  // Before anything is rendered for the new account, so that it never sees what another one may see.
  if (!isFirst)
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== ME[0] && queryKey[0] !== "instance" });
});
