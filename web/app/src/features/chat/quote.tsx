import type { Message } from "@blegram/client";
import { Reply } from "lucide-react";
import { useTexts } from "../../i18n";
import { summaryOf } from "./names";
import styles from "./quote.module.css";

interface QuoteProps {
  id: string;
  /** The message, if it is among those that were read. */
  message: Message | undefined;
  onJump: (id: string) => void;
}

/** The message to which one replies; a press leads to it. */
export function Quote({ id, message, onJump }: QuoteProps) {
  const t = useTexts("chat");
  const name = message?.sender?.display_name ?? t("deleted_account");
  const text = message && summaryOf(message, t);
  return (
    <button type="button" className={styles.quote} onClick={() => onJump(id)}>
      <Reply size={14} aria-hidden />
      {text ? (
        <span className={styles.text} dir="auto">
          <span className="spoken">{t("quote")} </span>
          <strong>{name}</strong> {text}
        </span>
      ) : (
        <span className={styles.text}>{t("quote_unknown")}</span>
      )}
    </button>
  );
}
