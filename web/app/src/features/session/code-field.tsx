import { useTexts } from "../../i18n";
import { Field } from "../../ui/field";
import styles from "./login.module.css";

interface CodeFieldProps {
  kind: "totp" | "recovery_code";
  value: string;
  onChange: (code: string) => void;
  error: string | undefined;
  autoFocus?: boolean;
}

/** An input of the code of an authenticator app, or of a recovery code. */
export function CodeField({ kind, value, onChange, error, autoFocus = true }: CodeFieldProps) {
  const t = useTexts("account");
  return (
    <div className={kind === "totp" ? styles.code : ""}>
      <Field
        label={t(kind === "totp" ? "totp_code" : "recovery_code")}
        name="code"
        value={value}
        required
        autoFocus={autoFocus}
        data-autofocus={autoFocus || undefined}
        autoComplete={kind === "totp" ? "one-time-code" : "off"}
        inputMode={kind === "totp" ? "numeric" : "text"}
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        onChange={(event) => onChange(event.target.value)}
        error={error}
      />
    </div>
  );
}
