// Placeholder: the hooks of the area "people" replace it at the merge.

import type { UserSummary } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { queries } from "../../query";
import { blegram } from "../../site";
import { toastError } from "../../ui/toast";

/** Mutes a user, or unmutes one. */
export function useMute({ id }: UserSummary) {
  return useMutation({
    mutationFn: (isOn: boolean) => (isOn ? blegram.users.mute(id) : blegram.users.unmute(id)),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["posts"] }),
    onError: toastError,
  });
}

/** Blocks a user, or unblocks one. */
export function useBlock({ id }: UserSummary) {
  return useMutation({
    mutationFn: (isOn: boolean) => (isOn ? blegram.users.block(id) : blegram.users.unblock(id)),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["posts"] }),
    onError: toastError,
  });
}
