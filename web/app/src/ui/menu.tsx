import { Ellipsis, type LucideIcon } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { useTexts } from "../i18n";
import { IconButton } from "./button";
import styles from "./menu.module.css";

export interface MenuItem {
  label: string;
  icon?: LucideIcon;
  danger?: boolean;
  onSelect: () => void;
}

interface MenuProps {
  items: (MenuItem | false | undefined)[];
  /** The name of the button; "More" by default. */
  label?: string;
  icon?: LucideIcon;
  children?: ReactNode;
}

/** A button with a menu (ARIA APG, menu button): arrows, Home, End, Escape and Tab work as they do in menus. */
export function Menu({ items, label, icon = Ellipsis, children }: MenuProps) {
  const t = useTexts("common");
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const entries = items.filter((item): item is MenuItem => Boolean(item));

  useEffect(() => {
    if (!isOpen) return;
    place(box.current);
    buttonsIn(box.current)[0]?.focus();
    const away = () => setOpen(false);
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    // It does not move with its button.
    window.addEventListener("scroll", away, { passive: true });
    window.addEventListener("resize", away);
    return () => {
      document.removeEventListener("pointerdown", outside);
      window.removeEventListener("scroll", away);
      window.removeEventListener("resize", away);
    };
  }, [isOpen]);

  const close = () => {
    setOpen(false);
    box.current?.querySelector("button")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!isOpen) return;
    const all = buttonsIn(box.current);
    const index = all.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: -1 }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      all.at(next % all.length)?.focus();
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === "Tab") setOpen(false);
  };

  if (entries.length === 0) return null;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: its buttons have the keys
    <div ref={box} className={styles.box} onKeyDown={onKeyDown}>
      <IconButton
        icon={icon}
        label={label ?? t("more")}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        {children}
      </IconButton>
      {isOpen && (
        <div id={id} role="menu" popover="manual" className={styles.menu} aria-label={label ?? t("more")}>
          {entries.map(({ label: name, icon: Icon, danger, onSelect }) => (
            <button
              key={name}
              type="button"
              role="menuitem"
              tabIndex={-1}
              className={danger ? styles.danger : ""}
              onClick={() => {
                close();
                onSelect();
              }}
            >
              {Icon && <Icon size={18} aria-hidden />}
              {name}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/** Space between a menu and its button, and the edges of the window. */
const GAP = 4;

/** Shows the menu above everything, below its button, or above it where there is more room. */
function place(box: HTMLElement | null): void {
  const menu = box?.querySelector<HTMLElement>('[role="menu"]');
  if (!box || !menu) return;
  // Older browsers show it at the same place, but not above everything.
  menu.showPopover?.();
  const button = box.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const isBelow = button.bottom + GAP + height <= window.innerHeight || button.top < window.innerHeight / 2;
  const top = isBelow ? button.bottom + GAP : button.top - GAP - height;
  menu.style.top = `${Math.max(GAP, top)}px`;
  menu.style.left = `${Math.max(GAP, Math.min(button.right, window.innerWidth - GAP) - width)}px`;
}

function buttonsIn(box: HTMLElement | null): HTMLElement[] {
  return [...(box?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? [])];
}
