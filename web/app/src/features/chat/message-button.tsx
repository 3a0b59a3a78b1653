import type { UserSummary } from "@blegram/client";
import { useTexts } from "../../i18n";
import { Button } from "../../ui/button";
import { useStartConversation } from "./writes";

/** Opens the direct conversation with a user. */
export function MessageButton({ user }: { user: Pick<UserSummary, "id"> }) {
  const t = useTexts("chat");
  const start = useStartConversation();
  return (
    <Button busy={start.isPending} onClick={() => start.mutate({ members: [user.id] })}>
      {t("message")}
    </Button>
  );
}
