import { useMutation, useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useEffect, useState } from "react";
import { useLocation } from "react-router";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Button, ButtonLink } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Failure, Spinner } from "../../ui/states";
import { CodeField } from "./code-field";
import { factorsQuery, identitiesQuery } from "./credentials";
import { Form, useFormErrors } from "./form";
import { type Confirmation, useConfirmation } from "./identity";
import styles from "./login.module.css";
import { getPasskey, supportsPasskeys } from "./passkeys";
import { AccountName, PasswordField } from "./password-field";
import { providerAddress } from "./providers";
import { useInstance, useMe } from "./session";

/** The dialog of {@link withIdentity}. Render it on the pages that use that. */
export function ConfirmIdentity() {
  const confirmation = useConfirmation();
  return confirmation && <IdentityDialog confirmation={confirmation} />;
}

function IdentityDialog({ confirmation }: { confirmation: Confirmation }) {
  const t = useTexts("account");
  const me = useMe();
  const { features } = useInstance();
  const { data, error, isLoading, refetch } = useQuery({ ...factorsQuery, enabled: features.second_factors });
  const factors = data?.items ?? [];
  const hasFactors = factors.length > 0;
  // The page was left: what waits for the answer must not wait for ever.
  useEffect(() => confirmation.cancel, [confirmation]);
  return (
    <Dialog title={t("confirm_identity")} onClose={confirmation.cancel}>
      {isLoading ? (
        <Spinner />
      ) : error ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : me?.has_password || hasFactors ? (
        <ByPasswordAndCode
          confirmation={confirmation}
          hasPassword={Boolean(me?.has_password)}
          hasCodes={hasFactors}
          hasApp={factors.some(({ kind }) => kind === "totp")}
          hasPasskey={factors.some(({ kind }) => kind === "passkey")}
        />
      ) : (
        <ByProvider />
      )}
    </Dialog>
  );
}

interface ProofProps {
  confirmation: Confirmation;
  hasPassword: boolean;
  /** Every account with a second factor may have recovery codes. */
  hasCodes: boolean;
  hasApp: boolean;
  hasPasskey: boolean;
}

/** What a login needs, or a passkey alone. */
function ByPasswordAndCode({ confirmation, hasPassword, hasCodes, hasApp, hasPasskey }: ProofProps) {
  const t = useTexts("account");
  const { features } = useInstance();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [kind, setKind] = useState<"totp" | "recovery_code">(hasApp ? "totp" : "recovery_code");
  const { mutate, error, isPending, variables } = useMutation({
    mutationFn: async (by: "passkey" | "password") => {
      if (by === "passkey") {
        const { options } = await blegram.secondFactor.startPasskeyLogin({});
        await blegram.secondFactor.reauthenticate({ credential: await getPasskey(options) });
      } else {
        await blegram.secondFactor.reauthenticate({ password: password || null, code: code.trim() || null });
      }
    },
    onSuccess: confirmation.confirm,
    onError: () => setCode(""),
  });
  const errors = useFormErrors(error, {
    "/password": ["wrong-password"],
    "/code": ["wrong-code", "second-factor-required"],
  });
  const general = variables === "passkey" ? (errors.at("/code") ?? errors.general) : errors.general;
  return (
    <Form onSubmit={() => mutate("password")} error={error} general={general}>
      <p className={styles.hint}>{t("confirm_identity_why")}</p>
      <AccountName />
      {hasPassword && (
        <PasswordField
          label={t("password")}
          value={password}
          onChange={setPassword}
          autoComplete="current-password"
          autoFocus
          data-autofocus
          error={errors.at("/password")}
        />
      )}
      {hasCodes && (
        <CodeField
          kind={kind}
          value={code}
          onChange={setCode}
          autoFocus={!hasPassword}
          error={variables === "passkey" ? undefined : errors.at("/code")}
        />
      )}
      <Button
        type="submit"
        kind="primary"
        wide
        busy={isPending && variables === "password"}
        disabled={(hasPassword && !password) || (hasCodes && !code.trim())}
      >
        {t("confirm")}
      </Button>
      <div className={styles.methods}>
        {hasPasskey && features.passkeys && supportsPasskeys() && (
          <Button icon={KeyRound} busy={isPending && variables === "passkey"} onClick={() => mutate("passkey")}>
            {t("use_passkey")}
          </Button>
        )}
        {hasApp && (
          <Button kind="quiet" onClick={() => setKind(kind === "totp" ? "recovery_code" : "totp")}>
            {t(kind === "totp" ? "use_recovery_code" : "use_totp")}
          </Button>
        )}
      </div>
    </Form>
  );
}

/** An account without password and second factor logs in again, and comes back to this page. */
function ByProvider() {
  const t = useTexts("account");
  const { login_providers: providers } = useInstance();
  const identities = useQuery(identitiesQuery).data?.items ?? [];
  const { pathname } = useLocation();
  return (
    <>
      <p className={styles.hint}>{t("confirm_by_login")}</p>
      <div className={styles.providers}>
        {identities.map(({ provider }) => (
          <ButtonLink key={provider} to={providerAddress(provider, pathname)} reloadDocument wide>
            {t("by_provider", { name: providers.find(({ id }) => id === provider)?.name ?? provider })}
          </ButtonLink>
        ))}
      </div>
    </>
  );
}
