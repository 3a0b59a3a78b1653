import type { Conversation } from "@blegram/client";
import { BellOff } from "lucide-react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { Time } from "../../ui/time";
import { ConversationAvatar } from "./conversation-avatar";
import styles from "./conversation-row.module.css";
import { readDraft } from "./drafts";
import { nameOf, summaryOf } from "./names";
import { useTyping } from "./typing";

interface ConversationRowProps {
  conversation: Conversation;
  me: string;
  isCurrent: boolean;
}

/** A conversation in the list. */
export function ConversationRow({ conversation, me, isCurrent }: ConversationRowProps) {
  const t = useTexts("chat");
  const { id, last_message, unread_count: count, is_muted, created_at } = conversation;
  return (
    <Link
      to={`/messages/${id}`}
      className={`${styles.row} ${count > 0 ? styles.unread : ""}`}
      aria-current={isCurrent ? "page" : undefined}
    >
      <ConversationAvatar conversation={conversation} me={me} size={48} />
      <span className={styles.texts}>
        <span className={styles.line}>
          <span className={styles.name} dir="auto">
            {nameOf(conversation, me, t)}
          </span>
          {is_muted && <BellOff size={14} aria-label={t("muted")} />}
          <Time at={last_message?.created_at ?? created_at} className={styles.time ?? ""} />
        </span>
        <span className={styles.line}>
          <Preview conversation={conversation} me={me} isCurrent={isCurrent} />
          {count > 0 && (
            <span className={`${styles.count} ${is_muted ? styles.quiet : ""}`}>
              <span aria-hidden>{count > 99 ? "99+" : count}</span>
              <span className="spoken">{t("unread", { count })}</span>
            </span>
          )}
        </span>
      </span>
    </Link>
  );
}

/** The last message; before it, what is more recent: a member is typing, or a text was not sent. */
function Preview({ conversation, me, isCurrent }: ConversationRowProps) {
  const t = useTexts("chat");
  const { id, kind, last_message: last } = conversation;
  const isTyping = useTyping(id).some((user) => user !== me);
  const draft = isCurrent ? undefined : readDraft(me, id)?.text.trim();
  if (isTyping) return <span className={`${styles.preview} ${styles.typing}`}>{t("typing")}</span>;
  if (draft) return <span className={`${styles.preview} ${styles.draft}`}>{t("draft", { text: draft })}</span>;
  if (!last) return <span className={styles.preview}>{t("no_messages")}</span>;
  const text = summaryOf(last, t);
  if (last.sender?.id === me)
    return (
      <span className={styles.preview} dir="auto">
        {t("you_wrote", { text })}
      </span>
    );
  return (
    <span className={styles.preview} dir="auto">
      <span className={kind === "direct" ? "spoken" : ""}>{last.sender?.display_name ?? t("deleted_account")}: </span>
      {text}
    </span>
  );
}
