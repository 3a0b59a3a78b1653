import { type LoginChallenge, Problem } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { CodeField } from "./code-field";
import { Form, useFormErrors } from "./form";
import styles from "./login.module.css";
import { getPasskey, supportsPasskeys } from "./passkeys";
import { loggedIn } from "./session";

/** The methods that this app knows, the easiest first. */
const METHODS = ["passkey", "totp", "recovery_code"] as const;
type Method = (typeof METHODS)[number];

interface SecondStepProps {
  challenge: LoginChallenge;
  /** Back to the first step; with an error if the challenge is not valid any more. */
  onRestart: (error?: unknown) => void;
}

/** The second step of a login: a passkey, the code of an app, or a recovery code. */
export function SecondStep({ challenge: { challenge, methods }, onRestart }: SecondStepProps) {
  const t = useTexts("account");
  const usable = METHODS.filter((method) => methods.includes(method) && (method !== "passkey" || supportsPasskeys()));
  const [method, setMethod] = useState<Method>(usable[0] ?? "recovery_code");
  const [code, setCode] = useState("");
  const { mutate, error, isPending, reset } = useMutation({
    mutationFn: () => (method === "passkey" ? byPasskey(challenge) : byCode(challenge, method, code)),
    onError: (failure) => {
      setCode("");
      if (failure instanceof Problem && failure.code === "login-challenge-invalid") onRestart(failure);
    },
  });
  const errors = useFormErrors(error, { "/code": ["second-factor-invalid"] });
  const choose = (other: Method) => {
    reset();
    setCode("");
    setMethod(other);
  };
  return (
    <Form
      onSubmit={mutate}
      error={error}
      general={method === "passkey" ? (errors.at("/code") ?? errors.general) : errors.general}
    >
      <p className={styles.hint}>{t(`second_step_${method}`)}</p>
      {method !== "passkey" && (
        <CodeField key={method} kind={method} value={code} onChange={setCode} error={errors.at("/code")} />
      )}
      <Button
        type="submit"
        kind="primary"
        wide
        // A field for the code has the focus; here the button is what comes next.
        autoFocus={method === "passkey"}
        key={method}
        icon={method === "passkey" ? KeyRound : undefined}
        busy={isPending}
        disabled={method !== "passkey" && !code.trim()}
      >
        {method === "passkey" ? t("use_passkey") : t("confirm")}
      </Button>
      <div className={styles.methods}>
        {usable
          .filter((other) => other !== method)
          .map((other) => (
            <Button key={other} kind="quiet" onClick={() => choose(other)}>
              {t(`use_${other}`)}
            </Button>
          ))}
        <Button kind="quiet" onClick={() => onRestart()}>
          {t("restart")}
        </Button>
      </div>
    </Form>
  );
}

async function byCode(challenge: string, method: "totp" | "recovery_code", code: string): Promise<void> {
  const { account } = await blegram.secondFactor.completeLogin({ challenge, method, code: code.trim() });
  await loggedIn(account);
}

async function byPasskey(challenge: string): Promise<void> {
  const { options } = await blegram.secondFactor.startPasskeyLogin({ challenge });
  const credential = await getPasskey(options);
  const { account } = await blegram.secondFactor.completeLogin({ challenge, method: "passkey", credential });
  await loggedIn(account);
}
