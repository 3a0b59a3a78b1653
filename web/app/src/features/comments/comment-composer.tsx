import { SendHorizontal, X } from "lucide-react";
import { type Ref, useId, useState } from "react";
import { Link, useLocation } from "react-router";
import { useTexts } from "../../i18n";
import { useProblemText } from "../../problems";
import { Avatar } from "../../ui/avatar";
import { IconButton } from "../../ui/button";
import { charsText } from "../posts/chars-text";
import { charsLeft } from "../posts/count";
import { SuggestingInput } from "../posts/suggesting-input";
import { useInstance, useMe } from "../session/session";
import { useCreateComment } from "./actions";
import styles from "./comment-composer.module.css";
import { useCommentDraft } from "./draft";

/** The comment that is replied to. */
export interface ReplyTo {
  id: string;
  /** The comment whose replies it joins. */
  thread: string;
  name: string;
}

interface CommentComposerProps {
  post: string;
  replyTo: ReplyTo | undefined;
  onReplyEnd: () => void;
  /** A reply was stored in this thread. */
  onReplied: (thread: string) => void;
  ref?: Ref<{ focus: () => void }>;
}

/** The number of characters is shown when so many are left. */
const NEAR = 100;

/** Where comments are written. */
export function CommentComposer({ post, replyTo, onReplyEnd, onReplied, ref }: CommentComposerProps) {
  const t = useTexts("compose");
  const me = useMe();
  const { limits } = useInstance();
  const problemText = useProblemText();
  const create = useCreateComment(post);
  const draft = useCommentDraft(post);
  const { pathname } = useLocation();
  const id = useId();
  const [done, setDone] = useState("");

  if (!me) {
    return (
      <p className={styles.visitor}>
        <Link to={`/login?next=${encodeURIComponent(pathname)}`} className="link">
          {t("log_in_to_comment")}
        </Link>
      </p>
    );
  }
  const left = charsLeft(draft.text, { chars: limits.comment_max_chars, bytes: limits.comment_max_bytes });
  const canSend = draft.text.trim() !== "" && left >= 0 && !create.isPending;
  const send = () => {
    if (!canSend) return;
    const sent = { text: draft.text, parent: replyTo?.id, key: draft.key(replyTo?.id) };
    create.mutate(sent, {
      onSuccess: () => {
        draft.clear(sent.text);
        setDone(t("comment_sent"));
        if (replyTo) onReplied(replyTo.thread);
        onReplyEnd();
      },
    });
  };
  return (
    <form
      className={styles.composer}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {replyTo && (
        <p className={styles.reply}>
          <span>{t("reply_to", { name: replyTo.name })}</span>
          <IconButton icon={X} size={18} label={t("cancel_reply")} onClick={onReplyEnd} />
        </p>
      )}
      {create.isError && (
        <p id={`${id}-error`} role="alert" className={styles.error}>
          {problemText(create.error)}
        </p>
      )}
      <div className={styles.row}>
        <Avatar user={me} size={36} />
        <SuggestingInput
          {...(ref && { ref })}
          label={t("write_comment")}
          placeholder={t("write_comment")}
          value={draft.text}
          onChange={draft.set}
          onSubmit={send}
          isSentByEnter={matchMedia("(hover: hover)").matches}
          invalid={left < 0}
          describedBy={`${id}-error ${id}-left`}
        />
        <IconButton icon={SendHorizontal} label={t("send")} type="submit" disabled={!canSend} />
      </div>
      <p id={`${id}-left`} className={left < 0 ? styles.error : styles.left} hidden={left > NEAR}>
        {charsText(t, left)}
      </p>
      <span role="status" className="spoken">
        {done}
      </span>
    </form>
  );
}
