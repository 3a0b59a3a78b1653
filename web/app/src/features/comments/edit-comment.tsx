import { type Comment, etagOf } from "@blegram/client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { useProblemText } from "../../problems";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { charsText } from "../posts/chars-text";
import { charsLeft } from "../posts/count";
import { SuggestingInput } from "../posts/suggesting-input";
import { useInstance } from "../session/session";
import { useEditComment } from "./actions";
import styles from "./edit-comment.module.css";

/** Changes the text of a comment. */
export default function EditComment({ comment, onClose }: { comment: Comment; onClose: () => void }) {
  const t = useTexts("compose");
  const common = useTexts("common");
  const problemText = useProblemText();
  const { limits } = useInstance();
  const [text, setText] = useState(comment.text ?? "");
  const edit = useEditComment(comment.id);
  // The version that is edited: comments of a list have none.
  const version = useQuery({
    queryKey: ["comment-version", comment.id],
    queryFn: async ({ signal }) => etagOf(await blegram.comments.get(comment.id, { signal })) ?? null,
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const left = charsLeft(text, { chars: limits.comment_max_chars, bytes: limits.comment_max_bytes });
  const canSave = text.trim() !== "" && left >= 0 && !version.isPending && !edit.isPending;
  const save = () => {
    if (!canSave) return;
    if (text.trim() === comment.text) return onClose();
    edit.mutate({ text, version: version.data }, { onSuccess: onClose });
  };
  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <SuggestingInput label={t("edit_comment")} value={text} onChange={setText} onSubmit={save} autoFocus />
      {edit.isError && (
        <p role="alert" className={styles.error}>
          {problemText(edit.error)}
        </p>
      )}
      <div className={styles.buttons}>
        {left < 0 && <span className={styles.error}>{charsText(t, left)}</span>}
        <Button small onClick={onClose}>
          {common("cancel")}
        </Button>
        <Button small kind="primary" type="submit" busy={edit.isPending} disabled={!canSave}>
          {common("save")}
        </Button>
      </div>
    </form>
  );
}
