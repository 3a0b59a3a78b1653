import type { UserSummary } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { MessageCircle } from "lucide-react";
import { useNavigate } from "react-router";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { IconButton } from "../../ui/button";
import { toastError } from "../../ui/toast";

/** Opens the direct conversation with a user. */
export function MessageButton({ user }: { user: UserSummary }) {
  const t = useTexts("common");
  const navigate = useNavigate();
  const open = useMutation({
    mutationFn: () => blegram.conversations.create({ members: [user.id] }),
    onSuccess: ({ id }) => navigate(`/messages/${id}`),
    onError: toastError,
  });
  return (
    <IconButton icon={MessageCircle} label={t("messages")} disabled={open.isPending} onClick={() => open.mutate()} />
  );
}
