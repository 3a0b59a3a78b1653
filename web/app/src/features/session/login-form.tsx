import type { LoginChallenge } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useEffect, useState } from "react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Field } from "../../ui/field";
import { Form, useFormErrors } from "./form";
import styles from "./login.module.css";
import { getPasskey, supportsPasskeys } from "./passkeys";
import { PasswordField } from "./password-field";
import { loggedIn, useInstance } from "./session";

interface LoginFormProps {
  /** What failed before, such as a second step that took too long. */
  error: unknown;
  /** The account has a second factor. */
  onChallenge: (challenge: LoginChallenge) => void;
}

/** The first step: a username and a password, or a passkey. */
export function LoginForm({ error, onChallenge }: LoginFormProps) {
  const t = useTexts("account");
  const { features } = useInstance();
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  const byPassword = useMutation({
    mutationFn: () => blegram.auth.logIn({ login: login.trim(), password }),
    onSuccess: (result) => ("challenge" in result ? onChallenge(result) : loggedIn(result.account)),
  });
  const byPasskey = useMutation({ mutationFn: logInByPasskey });
  const hasPasskeys = features.passkeys && supportsPasskeys();
  useOfferedPasskeys(hasPasskeys);

  const failed = byPassword.error ?? byPasskey.error ?? (byPassword.isIdle && byPasskey.isIdle ? error : null);
  const errors = useFormErrors(failed, { "/login": [], "/password": [] });
  return (
    <Form
      onSubmit={() => {
        byPasskey.reset();
        byPassword.mutate();
      }}
      error={failed}
      general={errors.general}
    >
      <Field
        label={t("login")}
        name="username"
        value={login}
        required
        autoFocus
        autoComplete={hasPasskeys ? "username webauthn" : "username"}
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        onChange={(event) => setLogin(event.target.value)}
        error={errors.at("/login")}
      />
      <PasswordField
        label={t("password")}
        value={password}
        onChange={setPassword}
        autoComplete="current-password"
        error={errors.at("/password")}
      />
      <p className={styles.forgot}>
        <Link to="/forgot-password" className="link">
          {t("forgot_password")}
        </Link>
      </p>
      <Button type="submit" kind="primary" wide busy={byPassword.isPending} disabled={!login.trim() || !password}>
        {t("log_in")}
      </Button>
      {hasPasskeys && (
        <div className={styles.other}>
          <Button
            icon={KeyRound}
            wide
            busy={byPasskey.isPending}
            onClick={() => {
              byPassword.reset();
              byPasskey.mutate({});
            }}
          >
            {t("by_passkey")}
          </Button>
        </div>
      )}
    </Form>
  );
}

async function logInByPasskey(request: { conditional?: boolean; signal?: AbortSignal }): Promise<void> {
  const { options } = await blegram.secondFactor.startPasskeyLogin({});
  const credential = await getPasskey(options, request);
  const { account } = await blegram.secondFactor.finishPasskeyLogin({ credential });
  await loggedIn(account);
}

/** Offers passkeys where the browser offers stored passwords. */
function useOfferedPasskeys(isEnabled: boolean): void {
  useEffect(() => {
    if (!isEnabled) return;
    const ending = new AbortController();
    const offer = async () => {
      if (!(await PublicKeyCredential.isConditionalMediationAvailable?.()) || ending.signal.aborted) return;
      await logInByPasskey({ conditional: true, signal: ending.signal });
    };
    // The button is there if this fails, and says why.
    offer().catch(() => {});
    return () => ending.abort();
  }, [isEnabled]);
}
