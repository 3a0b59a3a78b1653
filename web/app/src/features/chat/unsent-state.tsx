import { Problem } from "@blegram/client";
import { Clock } from "lucide-react";
import { useTexts } from "../../i18n";
import { useProblemText } from "../../problems";
import { Button } from "../../ui/button";
import { toast } from "../../ui/toast";
import { useGateway, useIsConnected } from "../realtime/realtime";
import styles from "./message-row.module.css";
import type { Unsent } from "./unsent";

/** What happens to a message that is not sent yet. */
export function UnsentState({ unsent: { draft, error, isSent } }: { unsent: Unsent }) {
  const t = useTexts("chat");
  const problemText = useProblemText();
  const gateway = useGateway();
  const isConnected = useIsConnected();
  if (isSent) return <span className={styles.note}>{t("sent")}</span>;
  if (!error) {
    return (
      <span className={styles.note}>
        <Clock size={12} aria-hidden /> {t(isConnected ? "sending" : "waiting")}
      </span>
    );
  }
  const { code, detail, errors } = error;
  const reason = problemText(new Problem(0, { code, detail, errors: errors ?? null }));
  const drop = async () => {
    if (!(await gateway?.drop(draft.client_id))) toast(t("already_sent"));
  };
  return (
    <div className={styles.failed}>
      <span role="alert">{t("failed", { reason })}</span>
      <span>
        <Button small onClick={() => void gateway?.retry(draft.client_id)}>
          {t("send_again")}
        </Button>
        <Button small kind="quiet" onClick={() => void drop()}>
          {t("throw_away")}
        </Button>
      </span>
    </div>
  );
}
