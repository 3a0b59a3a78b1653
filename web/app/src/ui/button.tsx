import { LoaderCircle, type LucideIcon } from "lucide-react";
import type { ComponentProps, ReactNode } from "react";
import { Link } from "react-router";
import styles from "./button.module.css";

export type ButtonKind = "primary" | "plain" | "quiet" | "danger";

interface Look {
  kind?: ButtonKind;
  /** As wide as its container. */
  wide?: boolean;
  small?: boolean;
}

const look = ({ kind = "plain", wide, small }: Look) =>
  [styles.button, styles[kind], wide && styles.wide, small && styles.small].filter(Boolean).join(" ");

interface ButtonProps extends Omit<ComponentProps<"button">, "className">, Look {
  /** Its action runs: it cannot be pressed again. */
  busy?: boolean;
  icon?: LucideIcon | undefined;
}

export function Button({ kind, wide, small, busy, icon: Icon, children, type = "button", ...props }: ButtonProps) {
  return (
    <button
      {...props}
      type={type}
      className={look({ kind, wide, small } as Look)}
      disabled={props.disabled || busy}
      aria-busy={busy || undefined}
    >
      {busy ? (
        <LoaderCircle className={styles.spinner} size={18} aria-hidden />
      ) : (
        Icon && <Icon size={18} aria-hidden />
      )}
      {children}
    </button>
  );
}

/** A link that looks like a button. */
export function ButtonLink({ kind, wide, small, ...props }: Omit<ComponentProps<typeof Link>, "className"> & Look) {
  return <Link {...props} className={look({ kind, wide, small } as Look)} />;
}

interface IconButtonProps extends Omit<ComponentProps<"button">, "aria-label" | "title"> {
  icon: LucideIcon;
  /** What it does, for tooltips and screen readers. */
  label: string;
  /** Draws the icon filled, for what is switched on. */
  filled?: boolean;
  size?: number;
  children?: ReactNode;
}

export function IconButton({ icon: Icon, label, filled, size = 22, children, className, ...props }: IconButtonProps) {
  return (
    <button type="button" {...props} className={`${styles.icon} ${className ?? ""}`} aria-label={label} title={label}>
      <Icon size={size} fill={filled ? "currentColor" : "none"} aria-hidden />
      {children}
    </button>
  );
}
