import { useSyncExternalStore } from "react";
import { useProblemText } from "../problems";
import styles from "./toast.module.css";

interface Toast {
  id: number;
  text?: string;
  /** What failed; its text is in the user's language. */
  error?: unknown;
  action?: { label: string; run: () => void };
}

const SECONDS = 6;
let toasts: Toast[] = [];
let ids = 0;
const listeners = new Set<() => void>();

function change(next: Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function show(toast: Omit<Toast, "id">): void {
  const id = ++ids;
  // Two at most: what failed before is not news any more.
  change([...toasts.slice(-1), { ...toast, id }]);
  setTimeout(() => change(toasts.filter((shown) => shown.id !== id)), SECONDS * 1000);
}

/** Says for some seconds that something was done. */
export const toast = (text: string, action?: Toast["action"]) => show(action ? { text, action } : { text });

/** Says why something failed: `onError: toastError`. */
export const toastError = (error: unknown) => show({ error });

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  const problemText = useProblemText();
  return (
    <div className={styles.toasts} role="status" aria-live="polite">
      {shown.map(({ id, text, error, action }) => (
        <div key={id} className={styles.toast}>
          <span>{text ?? problemText(error)}</span>
          {action && (
            <button
              type="button"
              onClick={() => {
                change(toasts.filter((other) => other.id !== id));
                action.run();
              }}
            >
              {action.label}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
