import { useState } from "react";
import { useTexts } from "../../i18n";
import { Field } from "../../ui/field";
import { useInstance } from "./session";
import { usernameProblem } from "./username";

interface UsernameFieldProps {
  value: string;
  onChange: (username: string) => void;
  /** Why the server rejected it. */
  error: string | undefined;
  autoFocus?: boolean;
}

/** An input of a new username that says which rule it violates, but not before a syllable is complete. */
export function UsernameField({ value, onChange, error, ...props }: UsernameFieldProps) {
  const t = useTexts("account");
  const { limits } = useInstance();
  const [isComposing, setComposing] = useState(false);
  const values = { min: limits.username_min_chars, max: limits.username_max_chars };
  const problem = value && !isComposing ? usernameProblem(value, limits) : undefined;
  return (
    <Field
      {...props}
      label={t("username")}
      name="username"
      value={value}
      required
      autoComplete="username"
      autoCapitalize="none"
      autoCorrect="off"
      spellCheck={false}
      onChange={(event) => onChange(event.target.value)}
      onCompositionStart={() => setComposing(true)}
      onCompositionEnd={() => setComposing(false)}
      error={error}
      hint={<span aria-live="polite">{t(problem ?? "username_rules", values)}</span>}
    />
  );
}
