import type { UserSummary } from "@blegram/client";
import { useTexts } from "../../i18n";
import { toast } from "../../ui/toast";
import { useMute } from "./relations";

/** Mutes a user, or unmutes one, and says what that means; a mute can be undone from there. */
export function useMuteAction(user: UserSummary): (isOn: boolean) => Promise<void> {
  const t = useTexts("people");
  const mute = useMute(user);
  const name = user.display_name;
  return async function setMuted(isOn) {
    try {
      // A promise, because what called it may leave the page with the posts of the user.
      await mute.mutateAsync(isOn);
      if (isOn) toast(t("muted", { name }), { label: t("unmute"), run: () => void setMuted(false) });
      else toast(t("unmuted", { name }));
    } catch {
      // The mutation says why.
    }
  };
}
