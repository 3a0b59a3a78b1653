// The decisions of a private account about who follows it.

import type { User, UserSummary } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { changeItems, type Loaded, queries } from "../../query";
import { blegram } from "../../site";
import { toastError } from "../../ui/toast";
import { REQUESTS } from "./cache";
import { changeViewer, refreshMe } from "./relations";

/** Accepts a request. */
export function useAccept(user: UserSummary) {
  return useMutation({
    mutationFn: () => blegram.users.acceptFollowRequest(user.id),
    onMutate: () => {
      drop(user);
      changeViewer(user.id, { followed_by: true });
    },
    onSuccess: refreshMe,
    onError: (error) => {
      changeViewer(user.id, { followed_by: false });
      undecided(error);
    },
  });
}

/** Rejects a request; the user is not notified. */
export function useReject(user: UserSummary) {
  return useMutation({
    mutationFn: () => blegram.users.rejectFollowRequest(user.id),
    onMutate: () => drop(user),
    onError: undecided,
  });
}

function drop({ id }: UserSummary): void {
  queries.setQueryData<Loaded<User>>(
    REQUESTS,
    (data) => data && changeItems(data, (request) => (request.id === id ? undefined : request)),
  );
}

/** The request was withdrawn, or the decision did not reach the server: read which ones there are. */
function undecided(error: unknown): void {
  toastError(error);
  void queries.invalidateQueries({ queryKey: REQUESTS });
}
