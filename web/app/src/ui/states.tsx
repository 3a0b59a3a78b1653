import { LoaderCircle, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { useTexts } from "../i18n";
import { useProblemText } from "../problems";
import { Button } from "./button";
import styles from "./states.module.css";

/** Something is loading. */
export function Spinner({ label }: { label?: string }) {
  const t = useTexts("common");
  return (
    <div className={styles.state} role="status">
      <LoaderCircle className={styles.spinner} aria-hidden />
      <span className="spoken">{label ?? t("loading")}</span>
    </div>
  );
}

interface EmptyProps {
  icon?: LucideIcon;
  title: string;
  /** What to do. */
  children?: ReactNode;
}

/** A list without items says what to do. */
export function Empty({ icon: Icon, title, children }: EmptyProps) {
  return (
    <div className={styles.state}>
      {Icon && <Icon size={40} strokeWidth={1.25} aria-hidden />}
      <p className={styles.title}>{title}</p>
      {children && <div className={styles.more}>{children}</div>}
    </div>
  );
}

/** Something could not be loaded. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const t = useTexts("common");
  const problemText = useProblemText();
  return (
    <div className={styles.state} role="alert">
      <p>{problemText(error)}</p>
      {onRetry && <Button onClick={onRetry}>{t("retry")}</Button>}
    </div>
  );
}

/** The place of something that is loading. */
export function Skeleton({
  height,
  width = "100%",
  round,
}: {
  height: number;
  width?: number | string;
  round?: boolean;
}) {
  return (
    <span className={styles.skeleton} style={{ height, width, borderRadius: round ? "50%" : undefined }} aria-hidden />
  );
}
