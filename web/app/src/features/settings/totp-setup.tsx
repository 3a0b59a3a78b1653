import { useMutation } from "@tanstack/react-query";
import { generate } from "lean-qr";
import { toSvgPath } from "lean-qr/extras/svg";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Failure, Spinner } from "../../ui/states";
import { CodeField } from "../session/code-field";
import { Form, useFormErrors } from "../session/form";
import { withIdentity } from "../session/identity";
import { CopyButton } from "./copy-button";
import styles from "./factors.module.css";

interface SetupProps {
  onClose: () => void;
  onAdded: () => Promise<void>;
}

/** Adds an authenticator app: a QR code, or its secret for typing, and a first code that proves it. */
export default function TotpSetup({ onClose, onAdded }: SetupProps) {
  const t = useTexts("settings");
  const start = useMutation({ mutationFn: () => withIdentity(() => blegram.secondFactor.startTotp({})) });
  const begin = useRef(start.mutate);
  useEffect(() => begin.current(), []);
  const { data: setup } = start;
  return (
    <Dialog title={t("add_totp")} onClose={onClose} full>
      {setup ? (
        <Confirmation id={setup.id} secret={setup.secret} url={setup.otpauth_url} onAdded={onAdded} />
      ) : start.error ? (
        <Failure error={start.error} onRetry={() => start.mutate()} />
      ) : (
        <Spinner />
      )}
    </Dialog>
  );
}

interface ConfirmationProps {
  id: string;
  secret: string;
  url: string;
  onAdded: () => Promise<void>;
}

function Confirmation({ id, secret, url, onAdded }: ConfirmationProps) {
  const t = useTexts("settings");
  const [code, setCode] = useState("");
  const { mutate, error, isPending } = useMutation({
    mutationFn: () => blegram.secondFactor.confirmTotp(id, { code: code.trim() }),
    onSuccess: onAdded,
  });
  const errors = useFormErrors(error, { "/code": ["wrong-code"] });
  return (
    <Form onSubmit={mutate} error={error} general={errors.general}>
      <p className={styles.step}>{t("totp_scan")}</p>
      <QrCode text={url} label={t("totp_qr")} />
      <p className={styles.step}>{t("totp_type")}</p>
      <div className={styles.secret}>
        <code>{secret.match(/.{1,4}/g)?.join(" ")}</code>
        <CopyButton text={secret} />
      </div>
      <p className={styles.step}>{t("totp_confirm")}</p>
      <CodeField kind="totp" value={code} onChange={setCode} autoFocus={false} error={errors.at("/code")} />
      <Button type="submit" kind="primary" wide busy={isPending} disabled={!code.trim()}>
        {t("turn_on")}
      </Button>
    </Form>
  );
}

/** A QR code, dark on light in every theme: many scanners read nothing else. */
function QrCode({ text, label }: { text: string; label: string }) {
  const { path, size } = useMemo(() => {
    const code = generate(text);
    return { path: toSvgPath(code), size: code.size };
  }, [text]);
  // Four modules around it are quiet (ISO 18004).
  return (
    <svg
      role="img"
      aria-label={label}
      className={styles.qr}
      viewBox={`-4 -4 ${size + 8} ${size + 8}`}
      shapeRendering="crispEdges"
    >
      <path d={path} />
    </svg>
  );
}
