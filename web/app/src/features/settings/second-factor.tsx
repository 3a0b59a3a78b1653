import type { Factor } from "@blegram/client";
import { useMutation, useSuspenseQuery } from "@tanstack/react-query";
import { KeyRound, Smartphone } from "lucide-react";
import { lazy, Suspense, useRef, useState } from "react";
import { timeAgo, useTexts } from "../../i18n";
import { queries } from "../../query";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import { toast, toastError } from "../../ui/toast";
import { factorsQuery } from "../session/credentials";
import { withIdentity } from "../session/identity";
import { supportsPasskeys } from "../session/passkeys";
import { useInstance } from "../session/session";
import { Lead, Part, Row } from "./parts";
import styles from "./parts.module.css";

const TotpSetup = lazy(() => import("./totp-setup"));
const PasskeySetup = lazy(() => import("./passkey-setup"));
const RecoveryCodes = lazy(() => import("./recovery-codes"));

/** Offer new codes when so few are left. */
const FEW = 3;

/** Authenticator app, passkeys and recovery codes. */
export default function SecondFactor() {
  const t = useTexts("settings");
  const { features } = useInstance();
  const { data } = useSuspenseQuery(factorsQuery);
  const { items: factors, recovery_codes_remaining: remaining } = data;
  const [dialog, setDialog] = useState<"totp" | "passkey" | "codes">();
  const list = useRef<HTMLUListElement>(null);
  const close = () => setDialog(undefined);
  const added = async () => {
    await queries.invalidateQueries({ queryKey: factorsQuery.queryKey });
    // Without them, only the operator of the site can help who loses the factor.
    setDialog(remaining === 0 ? "codes" : undefined);
  };
  return (
    <>
      <Part>
        <Lead>{factors.length > 0 ? t("factors_on") : t("factors_off")}</Lead>
        {factors.length > 0 && (
          <ul ref={list} tabIndex={-1} aria-label={t("second-factor")}>
            {factors.map((factor) => (
              <FactorRow
                key={factor.id}
                factor={factor}
                isLast={factors.length === 1}
                onRemoved={() => list.current?.focus()}
              />
            ))}
          </ul>
        )}
        <div className={styles.buttons}>
          {!factors.some(({ kind }) => kind === "totp") && (
            <Button icon={Smartphone} onClick={() => setDialog("totp")}>
              {t("add_totp")}
            </Button>
          )}
          {features.passkeys && supportsPasskeys() && (
            <Button icon={KeyRound} onClick={() => setDialog("passkey")}>
              {t("add_passkey")}
            </Button>
          )}
        </div>
        {features.passkeys && !supportsPasskeys() && <Lead>{t("passkeys_unsupported")}</Lead>}
      </Part>
      {factors.length > 0 && (
        <Part title={t("recovery_codes")}>
          <Lead>
            {t("codes_left", { count: remaining })} {remaining <= FEW && t("codes_running_out")}
          </Lead>
          <Button onClick={() => setDialog("codes")}>{remaining > 0 ? t("codes_renew") : t("codes_create")}</Button>
        </Part>
      )}
      <Suspense>
        {dialog === "totp" && <TotpSetup onClose={close} onAdded={added} />}
        {dialog === "passkey" && <PasskeySetup onClose={close} onAdded={added} />}
        {dialog === "codes" && <RecoveryCodes replaces={remaining > 0} onClose={close} />}
      </Suspense>
    </>
  );
}

interface FactorRowProps {
  factor: Factor;
  /** Without it, a password is enough to log in. */
  isLast: boolean;
  onRemoved: () => void;
}

function FactorRow({ factor, isLast, onRemoved }: FactorRowProps) {
  const t = useTexts("settings");
  const [isAsking, setAsking] = useState(false);
  const { mutate, isPending } = useMutation({
    mutationFn: () => withIdentity(() => blegram.secondFactor.delete(factor.id)),
    onMutate: () => setAsking(false),
    onSuccess: async () => {
      toast(t("factor_removed"));
      onRemoved();
      await queries.invalidateQueries({ queryKey: factorsQuery.queryKey });
    },
    onError: toastError,
  });
  const kind = factor.kind === "passkey" ? t("passkey") : t("totp");
  const name = factor.name ?? kind;
  return (
    <Row
      title={name}
      notes={[
        factor.name && kind,
        factor.last_used_at
          ? t("factor_used", { time: timeAgo(factor.last_used_at) })
          : t("factor_added", { time: timeAgo(factor.created_at) }),
      ]}
      action={
        <>
          <Button
            small
            kind="danger"
            busy={isPending}
            aria-label={t("remove_named", { name })}
            onClick={() => setAsking(true)}
          >
            {t("remove")}
          </Button>
          {isAsking && (
            <Confirm
              title={t("remove_named", { name })}
              action={t("remove")}
              onConfirm={() => mutate()}
              onClose={() => setAsking(false)}
            >
              <p>{isLast ? t("remove_last") : t("remove_more")}</p>
            </Confirm>
          )}
        </>
      }
    />
  );
}
