import { X } from "lucide-react";
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import { useTexts } from "../i18n";
import { Button, type ButtonKind, IconButton } from "./button";
import styles from "./dialog.module.css";

interface DialogProps {
  title: string;
  /** Called by Escape, the close button and a press outside. Stop rendering the dialog then. */
  onClose: () => void;
  /** Buttons at the end. */
  actions?: ReactNode;
  /** Covers a phone's screen. */
  full?: boolean;
  children: ReactNode;
}

/** A modal dialog: the browser moves the focus into it, to an element with `data-autofocus` if there is one, and back. */
export function Dialog({ title, onClose, actions, full, children }: DialogProps) {
  const t = useTexts("common");
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Before the dialog leaves the page: only then does the browser give the focus back.
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    // React's `autoFocus` is no attribute, and comes too early: nothing in a closed dialog can have the focus.
    dialog?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
    return () => dialog?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, too
    <dialog
      ref={ref}
      className={`${styles.dialog} ${full ? styles.full : ""}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === ref.current && onClose()}
    >
      <div className={styles.content}>
        <header className={styles.header}>
          <h2 id={id}>{title}</h2>
          <IconButton icon={X} label={t("close")} onClick={onClose} />
        </header>
        <div className={styles.body}>{children}</div>
        {actions && <footer className={styles.actions}>{actions}</footer>}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  children?: ReactNode;
  /** The name of the action. */
  action: string;
  kind?: ButtonKind;
  busy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks before something that cannot be undone. */
export function Confirm({ title, children, action, kind = "danger", busy = false, onConfirm, onClose }: ConfirmProps) {
  const t = useTexts("common");
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button kind={kind} busy={busy} onClick={onConfirm}>
            {action}
          </Button>
        </>
      }
    >
      {children}
    </Dialog>
  );
}
