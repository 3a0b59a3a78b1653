import { queryOptions } from "@tanstack/react-query";
import { blegram } from "../../site";

/** The second factors of the account. */
export const factorsQuery = queryOptions({
  queryKey: ["factors"],
  queryFn: ({ signal }) => blegram.secondFactor.list({ signal }),
  // Other devices change them, too, and what is shown decides what is asked for.
  staleTime: 0,
});

/** The account's identities at login providers. */
export const identitiesQuery = queryOptions({
  queryKey: ["identities"],
  queryFn: ({ signal }) => blegram.auth.listIdentities({ signal }),
  staleTime: 0,
});
