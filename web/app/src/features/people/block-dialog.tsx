// Placeholder: the dialog of the area "people" replaces it at the merge.

import type { UserSummary } from "@blegram/client";
import { useTexts } from "../../i18n";
import { Confirm } from "../../ui/dialog";
import { useBlock } from "./relations";

export default function BlockDialog({ user, onClose }: { user: UserSummary; onClose: () => void }) {
  const t = useTexts("posts");
  const block = useBlock(user);
  return (
    <Confirm
      title={t("block", { name: user.display_name })}
      action={t("block", { name: user.display_name })}
      busy={block.isPending}
      onConfirm={() => block.mutate(true, { onSettled: onClose })}
      onClose={onClose}
    />
  );
}
