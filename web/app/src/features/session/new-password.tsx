import { useState } from "react";
import { useTexts } from "../../i18n";
import { passwordLength, passwordProblem } from "./password";
import { PasswordField } from "./password-field";
import { useInstance } from "./session";

interface NewPasswordProps {
  label: string;
  value: string;
  onChange: (password: string) => void;
  /** What others know of the user, which a password must not be made of. */
  names: readonly string[];
  /** Why the server rejected it. */
  error: string | undefined;
}

/** An input of a new password that says which rule is still open. */
export function NewPassword({ label, value, onChange, names, error }: NewPasswordProps) {
  const t = useTexts("account");
  const { limits } = useInstance();
  const [rejected, setRejected] = useState<{ error: string; value: string }>();
  // The server's word is for the password that was sent.
  if (error && rejected?.error !== error) setRejected({ error, value });
  if (!error && rejected) setRejected(undefined);
  const problem = passwordProblem(value, limits, names);
  const values = {
    count: Math.max(0, limits.password_min_chars - passwordLength(value)),
    min: limits.password_min_chars,
    max: limits.password_max_chars,
  };
  const advice = problem ? t(problem, values) : t("password_good");
  return (
    <PasswordField
      label={label}
      value={value}
      onChange={onChange}
      autoComplete="new-password"
      error={error && rejected?.value === value ? error : undefined}
      hint={<span aria-live="polite">{value ? advice : t("password_rules", values)}</span>}
    />
  );
}
