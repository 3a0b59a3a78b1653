import { type ComponentProps, type ReactNode, useId } from "react";
import styles from "./field.module.css";

interface Label {
  label: string;
  /** What is expected. */
  hint?: ReactNode;
  /** Why the value was rejected. */
  error?: string | undefined;
}

interface FieldProps extends ComponentProps<"input">, Label {
  /** Inside of the input at its end, such as a button. */
  end?: ReactNode;
}

/** A labelled input. */
export function Field({ label, hint, error, end, ...props }: FieldProps) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      <div className={end ? styles.withEnd : ""}>
        <input
          {...props}
          id={id}
          aria-invalid={Boolean(error)}
          aria-describedby={hint || error ? `${id}-note` : undefined}
        />
        {end}
      </div>
      <Note id={`${id}-note`} hint={hint} error={error} />
    </div>
  );
}

interface TextAreaProps extends ComponentProps<"textarea">, Label {}

/** A labelled text of several lines. */
export function TextArea({ label, hint, error, ...props }: TextAreaProps) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      <textarea
        {...props}
        id={id}
        aria-invalid={Boolean(error)}
        aria-describedby={hint || error ? `${id}-note` : undefined}
      />
      <Note id={`${id}-note`} hint={hint} error={error} />
    </div>
  );
}

function Note({ id, hint, error }: { id: string; hint: ReactNode; error: string | undefined }) {
  if (!hint && !error) return null;
  return (
    <p id={id} className={error ? styles.error : styles.hint}>
      {error ?? hint}
    </p>
  );
}

interface SwitchProps {
  label: string;
  hint?: ReactNode;
  checked: boolean;
  disabled?: boolean;
  onChange: (checked: boolean) => void;
}

/** A setting that is on or off, and takes effect at once. */
export function Switch({ label, hint, checked, disabled = false, onChange }: SwitchProps) {
  const id = useId();
  return (
    <label className={styles.switch}>
      <span>
        {label}
        {hint && (
          <span id={id} className={styles.hint}>
            {hint}
          </span>
        )}
      </span>
      <input
        type="checkbox"
        role="switch"
        aria-checked={checked}
        checked={checked}
        disabled={disabled}
        aria-describedby={hint ? id : undefined}
        onChange={(event) => onChange(event.target.checked)}
      />
    </label>
  );
}
