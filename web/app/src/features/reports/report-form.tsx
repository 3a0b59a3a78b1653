import type { CreateReport } from "@blegram/client";
import { type FormEvent, useId, useState } from "react";
import { useTexts } from "../../i18n";
import { useProblemText } from "../../problems";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { TextArea } from "../../ui/field";
import { useInstance } from "../session/session";
import styles from "./report-dialog.module.css";

type Reason = CreateReport["reason"];

const REASONS: Reason[] = ["spam", "harassment", "hate", "violence", "nudity", "self_harm", "impersonation", "other"];

const graphemes = new Intl.Segmenter();
/** The length as the server counts it. */
const lengthOf = (text: string) => [...graphemes.segment(text.trim().normalize("NFC"))].length;

interface ReportFormProps {
  title: string;
  /** Why it could not be sent. */
  error: unknown;
  isSending: boolean;
  onSend: (reason: Reason, note: string) => void;
  onClose: () => void;
}

/** Asks for the reason of a report. */
export function ReportForm({ title, error, isSending, onSend, onClose }: ReportFormProps) {
  const t = useTexts("reports");
  const common = useTexts("common");
  const problemText = useProblemText();
  const most = useInstance().limits.report_note_max_chars;
  const form = useId();
  const [reason, setReason] = useState<Reason>();
  const [note, setNote] = useState("");
  const length = lengthOf(note);
  const isTooLong = length > most;

  const send = (event: FormEvent) => {
    event.preventDefault();
    if (reason && !isTooLong) onSend(reason, note.trim());
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      full
      actions={
        <>
          <Button onClick={onClose}>{common("cancel")}</Button>
          <Button type="submit" form={form} kind="primary" busy={isSending} disabled={!reason || isTooLong}>
            {t("send")}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={send}>
        <fieldset className={styles.reasons}>
          <legend>{t("why")}</legend>
          {REASONS.map((each) => (
            <label key={each} className={styles.reason}>
              <input
                type="radio"
                name="reason"
                value={each}
                required
                checked={reason === each}
                onChange={() => setReason(each)}
              />
              <span>
                <strong>{t(each)}</strong>
                <span className={styles.hint}>{t(`${each}_hint`)}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <TextArea
          label={t("note")}
          value={note}
          dir="auto"
          onChange={({ target }) => setNote(target.value)}
          hint={
            <span className={styles.counted}>
              {t("note_hint")}
              <span className={styles.counter}>{t("count", { count: length, most })}</span>
            </span>
          }
          error={isTooLong ? t("too_long", { count: length - most, most }) : undefined}
        />
        <p className={styles.hint}>{t("privacy")}</p>
        {error !== null && (
          <p role="alert" className={styles.error}>
            {problemText(error)}
          </p>
        )}
      </form>
    </Dialog>
  );
}
