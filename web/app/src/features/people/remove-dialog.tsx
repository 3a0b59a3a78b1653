import type { User } from "@blegram/client";
import { useTexts } from "../../i18n";
import { Confirm } from "../../ui/dialog";
import { toast } from "../../ui/toast";
import { useRemoveFollower } from "./relations";

/** Asks before a follower is removed. */
export default function RemoveDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const t = useTexts("people");
  const remove = useRemoveFollower();
  const name = user.display_name;
  return (
    <Confirm
      title={t("remove_title", { name })}
      action={t("remove")}
      busy={remove.isPending}
      onConfirm={() =>
        remove.mutate(user, { onSuccess: () => toast(t("removed_follower", { name })), onSettled: onClose })
      }
      onClose={onClose}
    >
      <p>{t("remove_more")}</p>
    </Confirm>
  );
}
