import { type MouseEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { useTexts } from "../../i18n";
import styles from "./clamped.module.css";

interface ClampedProps {
  /** All of it is shown. */
  isOpen: boolean;
  /** A press on the text opens this page. */
  to: string;
  children: ReactNode;
}

/** A text of which the first lines are shown, until the reader wants more. */
export function Clamped({ isOpen, to, children }: ClampedProps) {
  const t = useTexts("posts");
  const navigate = useNavigate();
  const text = useRef<HTMLDivElement>(null);
  const [isExpanded, setExpanded] = useState(isOpen);
  const [isCut, setCut] = useState(false);

  useEffect(() => {
    const { current } = text;
    if (!current || isExpanded) return;
    const measure = () => setCut(current.scrollHeight > current.clientHeight + 1);
    // Also for another width, and when a font is loaded.
    const observer = new ResizeObserver(measure);
    observer.observe(current);
    return () => observer.disconnect();
  }, [isExpanded]);

  const open = ({ target }: MouseEvent) => {
    const isLink = (target as Element).closest("a, button");
    if (!isOpen && !isLink && getSelection()?.isCollapsed !== false) navigate(to);
  };
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: a larger target for fingers; the time is the link */}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: as above */}
      <div ref={text} className={isExpanded ? "" : styles.clamped} onClick={open} dir="auto">
        {children}
      </div>
      {isCut && !isExpanded && (
        <button
          type="button"
          className={styles.more}
          onClick={() => {
            setExpanded(true);
            // The button leaves: the reader continues with the text.
            if (text.current) {
              text.current.tabIndex = -1;
              text.current.focus({ preventScroll: true });
            }
          }}
        >
          {t("more_text")}
        </button>
      )}
    </>
  );
}
