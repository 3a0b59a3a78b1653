import type { Post } from "@blegram/client";
import { useTexts } from "../../i18n";
import { Confirm } from "../../ui/dialog";
import { toast } from "../../ui/toast";
import { useDeletePost } from "./actions";

interface DeletePostProps {
  post: Post;
  onClose: () => void;
  onDeleted?: () => void;
}

/** Asks whether a post is to be deleted, and deletes it. */
export default function DeletePost({ post, onClose, onDeleted }: DeletePostProps) {
  const t = useTexts("compose");
  const common = useTexts("common");
  const remove = useDeletePost(post, () => {
    onClose();
    onDeleted?.();
    toast(t("post_deleted"));
    // The post, and with it the button that had the focus, has left the page.
    document.getElementById("page")?.focus({ preventScroll: true });
  });
  return (
    <Confirm
      title={t("delete_post")}
      action={common("delete")}
      busy={remove.isPending}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <p>{t("delete_post_more")}</p>
    </Confirm>
  );
}
