// What the sections of the settings are made of.

import type { ReactNode } from "react";
import styles from "./parts.module.css";

/** A part of a section with a heading of its own. */
export function Part({ title, children }: { title?: string; children: ReactNode }) {
  return (
    <section className={styles.part}>
      {title && <h2 className={styles.title}>{title}</h2>}
      {children}
    </section>
  );
}

/** What a section is about. */
export const Lead = ({ children }: { children: ReactNode }) => <p className={styles.lead}>{children}</p>;

/** Something in a list that can be removed, such as a device. */
interface RowProps {
  title: ReactNode;
  /** What else is known of it, a line each. */
  notes?: ReactNode[];
  /** A word at the title, such as "This device". */
  badge?: string | false;
  action?: ReactNode;
}

export function Row({ title, notes = [], badge, action }: RowProps) {
  return (
    <li className={styles.row}>
      <div className={styles.text}>
        <p className={styles.name}>
          <span dir="auto">{title}</span>
          {badge && <span className={styles.badge}>{badge}</span>}
        </p>
        {notes.filter(Boolean).map((note, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a row do not move
          <p key={index} className={styles.note}>
            {note}
          </p>
        ))}
      </div>
      {action}
    </li>
  );
}

interface ChoiceProps<Value extends string> {
  label: string;
  value: Value;
  options: readonly { value: Value; label: string; hint?: string; lang?: string }[];
  onChange: (value: Value) => void;
}

/** One of a few options; takes effect at once. */
export function Choice<Value extends string>({ label, value, options, onChange }: ChoiceProps<Value>) {
  return (
    <fieldset className={styles.choice}>
      <legend className={styles.title}>{label}</legend>
      {options.map((option) => (
        <label key={option.value} className={styles.option} lang={option.lang}>
          <input
            type="radio"
            name={label}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
          />
          <span>
            {option.label}
            {option.hint && <span className={styles.note}>{option.hint}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}
