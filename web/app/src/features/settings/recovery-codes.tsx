import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { queries } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { toastError } from "../../ui/toast";
import { factorsQuery } from "../session/credentials";
import { withIdentity } from "../session/identity";
import { CopyButton } from "./copy-button";
import styles from "./factors.module.css";

interface RecoveryCodesProps {
  /** New codes make those before them useless. */
  replaces: boolean;
  onClose: () => void;
}

/** Creates recovery codes, and shows them once. */
export default function RecoveryCodes({ replaces, onClose }: RecoveryCodesProps) {
  const t = useTexts("settings");
  const { mutate, data, isPending } = useMutation({
    mutationFn: () => withIdentity(() => blegram.secondFactor.createRecoveryCodes()),
    onSuccess: () => queries.invalidateQueries({ queryKey: factorsQuery.queryKey }),
    onError: toastError,
  });
  if (!data)
    return (
      <Dialog
        title={t("recovery_codes")}
        onClose={onClose}
        actions={
          <>
            <Button onClick={onClose}>{t("later")}</Button>
            <Button kind="primary" busy={isPending} onClick={() => mutate()}>
              {t("codes_create")}
            </Button>
          </>
        }
      >
        <p className={styles.step}>{t("codes_lead")}</p>
        {replaces && <p>{t("codes_replace")}</p>}
      </Dialog>
    );
  const text = `${data.codes.join("\n")}\n`;
  return (
    <Dialog
      title={t("recovery_codes")}
      onClose={onClose}
      actions={
        <Button kind="primary" onClick={onClose}>
          {t("codes_stored")}
        </Button>
      }
    >
      <p className={styles.step}>{t("codes_once")}</p>
      <ul className={styles.codes} aria-label={t("recovery_codes")}>
        {data.codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <div className={styles.buttons}>
        <CopyButton text={text} />
        <Button icon={Download} onClick={() => download(text)}>
          {t("download")}
        </Button>
      </div>
      <p className={styles.after}>
        {t.rich("other_devices", {
          link: (
            <Link to="/settings/sessions" className="link" onClick={onClose}>
              {t("sessions")}
            </Link>
          ),
        })}
      </p>
    </Dialog>
  );
}

/** Stores a text as a file of the user. */
function download(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "blegram-recovery-codes.txt";
  link.click();
  URL.revokeObjectURL(url);
}
