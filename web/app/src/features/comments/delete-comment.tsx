import type { Comment } from "@blegram/client";
import { useTexts } from "../../i18n";
import { Confirm } from "../../ui/dialog";
import { useDeleteComment } from "./actions";

/** Asks whether a comment is to be deleted, and deletes it. */
export default function DeleteComment({ comment, onClose }: { comment: Comment; onClose: () => void }) {
  const t = useTexts("compose");
  const common = useTexts("common");
  const remove = useDeleteComment(comment);
  const onConfirm = () =>
    remove.mutate(undefined, {
      onSettled: () => {
        onClose();
        // The comment, and with it the button that had the focus, may have left the page.
        document.getElementById("page")?.focus({ preventScroll: true });
      },
    });
  return (
    <Confirm
      title={t("delete_comment")}
      action={common("delete")}
      busy={remove.isPending}
      onConfirm={onConfirm}
      onClose={onClose}
    >
      <p dir="auto">{comment.text}</p>
    </Confirm>
  );
}
