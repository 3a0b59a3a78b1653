import type { Conversation } from "@blegram/client";
import { useTexts } from "../../i18n";
import { useMemberName } from "./names";
import { useTyping } from "./typing";
import styles from "./typing-line.module.css";

/** Who is typing, below the messages. */
export function TypingLine({ conversation, me }: { conversation: Conversation; me: string }) {
  const t = useTexts("chat");
  const memberName = useMemberName(conversation);
  const [one, ...others] = useTyping(conversation.id).filter((id) => id !== me);
  return (
    <p className={styles.typing}>
      {one !== undefined && (
        <>
          <span className={styles.dots} aria-hidden>
            <i />
            <i />
            <i />
          </span>
          {others.length > 0 ? t("typing_several") : t("typing_name", { name: memberName(one) })}
        </>
      )}
    </p>
  );
}
