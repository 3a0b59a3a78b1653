import type { UserSummary } from "@blegram/client";
import { BellOff, EyeOff, UserMinus, Users } from "lucide-react";
import { useTexts } from "../../i18n";
import { Confirm } from "../../ui/dialog";
import { toast } from "../../ui/toast";
import styles from "./block-dialog.module.css";
import { useBlock } from "./relations";

interface BlockDialogProps {
  user: UserSummary;
  onClose: () => void;
}

/** Says what a block does, and blocks. */
export default function BlockDialog({ user, onClose }: BlockDialogProps) {
  const t = useTexts("people");
  const block = useBlock(user);
  const effects = [
    [EyeOff, t("block_hides")],
    [UserMinus, t("block_unfollows")],
    [BellOff, t("block_is_quiet", { name: user.display_name })],
    [Users, t("block_groups")],
  ] as const;
  const confirm = async () => {
    try {
      // A promise, because the post that opened the dialog may leave its list, and the dialog with it.
      await block.mutateAsync(true);
      toast(t("blocked", { name: user.display_name }), { label: t("unblock"), run: () => block.mutate(false) });
    } catch {
      // The mutation says why.
    } finally {
      onClose();
    }
  };
  return (
    <Confirm
      title={t("block_title", { name: user.display_name })}
      action={t("block")}
      busy={block.isPending}
      onConfirm={confirm}
      onClose={onClose}
    >
      <ul className={styles.effects}>
        {effects.map(([Icon, text]) => (
          <li key={text}>
            <Icon size={20} aria-hidden />
            <span>{text}</span>
          </li>
        ))}
      </ul>
    </Confirm>
  );
}
