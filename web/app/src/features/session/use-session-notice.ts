import { useEffect, useRef } from "react";
import { useTexts } from "../../i18n";
import { toast } from "../../ui/toast";
import { hasEndedHere, resetEnd, useMe } from "./session";

/** Says why the page has changed, when the session was ended or replaced elsewhere: in another tab, or on another device. */
export function useSessionNotice(): void {
  const t = useTexts("common");
  const me = useMe();
  const previous = useRef(me);
  useEffect(() => {
    const before = previous.current;
    previous.current = me;
    if (!before || before.id === me?.id) return;
    if (me) toast(t("account_changed", { name: me.username }));
    else if (!hasEndedHere()) toast(t("session_ended"));
    resetEnd();
  }, [me, t]);
}
