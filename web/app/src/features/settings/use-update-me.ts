import type { Account, UpdateMe } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { ME, queries } from "../../query";
import { blegram } from "../../site";
import { toastError } from "../../ui/toast";

/** The settings that look the same in a change and in the account. */
type Settings = Pick<UpdateMe, "is_private" | "discoverable" | "messages_from" | "login_notices">;

const KEY = ["me", "update"] as const;

/** Changes settings that take effect at once: they are shown before the server has answered, and as they were if it rejects them. */
export function useUpdateSettings() {
  return useMutation({
    mutationKey: KEY,
    // One after the other, so that the last change wins.
    scope: { id: KEY.join(".") },
    mutationFn: (settings: Settings) => blegram.users.updateMe(settings),
    onMutate: (settings) => {
      const before = queries.getQueryData<Account>(ME);
      queries.setQueryData<Account | null>(ME, (me) => me && { ...me, ...settings });
      return before;
    },
    onSuccess: (account) => {
      // A later change is on its way, and shown already.
      if (queries.isMutating({ mutationKey: KEY }) === 1) queries.setQueryData(ME, account);
    },
    onError: (error, settings, before) => {
      toastError(error);
      if (!before) return;
      const previous = Object.fromEntries(
        Object.keys(settings).map((name) => [name, before[name as keyof Settings]]),
      ) as Partial<Account>;
      queries.setQueryData<Account | null>(ME, (me) => me && { ...me, ...previous });
    },
  });
}
