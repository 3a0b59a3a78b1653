import { Problem } from "@blegram/client";
import { type ReactNode, type SyntheticEvent, useEffect, useRef } from "react";
import { useFieldTexts, useProblemText } from "../../problems";
import styles from "./form.module.css";

/**
 * The texts of what was rejected: `at` returns that of a field by its JSON pointer, `general` is what no field shows.
 *
 * `places` are the fields of the form, each with the codes of problems that are about it.
 */
export function useFormErrors(error: unknown, places: Record<string, readonly string[]> = {}) {
  const problemText = useProblemText();
  const texts = useFieldTexts()(error);
  const code = error instanceof Problem ? error.code : undefined;
  const at = (pointer: string): string | undefined =>
    texts[pointer] ?? (code && places[pointer]?.includes(code) ? problemText(error) : undefined);
  const isShown = Object.keys(places).some((pointer) => at(pointer));
  return { at, general: error && !isShown ? problemText(error) : undefined };
}

interface FormProps {
  onSubmit: () => void;
  /** What failed; the first field that was rejected gets the focus. */
  error: unknown;
  /** The text of what no field shows. */
  general: string | undefined;
  label?: string;
  children: ReactNode;
}

/** A form whose values are checked by the server. */
export function Form({ onSubmit, error, general, label, children }: FormProps) {
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (error) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [error]);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <form ref={form} onSubmit={submit} aria-label={label} noValidate>
      <div role="alert">{general && <p className={styles.error}>{general}</p>}</div>
      {children}
    </form>
  );
}
