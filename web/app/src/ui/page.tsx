import { ArrowLeft } from "lucide-react";
import { type ReactNode, useEffect, useLayoutEffect, useRef } from "react";
import { useLocation, useNavigate, useNavigationType } from "react-router";
import { useTexts } from "../i18n";
import { IconButton } from "./button";
import styles from "./page.module.css";
import { setTitle } from "./title";

interface PageProps {
  title: string;
  /** Shown instead of the title, such as a search field. */
  heading?: ReactNode;
  /** Without: the page is in the navigation. */
  back?: boolean;
  /** Buttons at the right of the title. */
  actions?: ReactNode;
  children: ReactNode;
}

/** A page: its title in the browser, a heading that stays at the top, and the content. */
export function Page({ title, heading, back = false, actions, children }: PageProps) {
  const t = useTexts("common");
  const navigate = useNavigate();
  useEffect(() => setTitle(title), [title]);
  useStartAtTop();
  return (
    <>
      <header className={styles.header}>
        {back && (
          <IconButton
            icon={ArrowLeft}
            label={t("back")}
            // A page that was opened from outside has nothing before it.
            onClick={() => (window.history.state?.idx > 0 ? navigate(-1) : navigate("/"))}
          />
        )}
        <div className={styles.heading}>{heading ?? <h1>{title}</h1>}</div>
        {heading && <h1 className="spoken">{title}</h1>}
        {actions}
      </header>
      {children}
    </>
  );
}

/** A page that was not shown before starts at its top. `back` returns to where a page was left: `PageList` and the browser do it. */
function useStartAtTop(): void {
  const { key } = useLocation();
  const navigation = useNavigationType();
  const shown = useRef<string>(undefined);
  useLayoutEffect(() => {
    if (shown.current === key) return;
    const isFirst = shown.current === undefined;
    shown.current = key;
    // A replaced address of the same page, such as another tab of it, stays where it is.
    if (navigation === "PUSH" || (navigation === "REPLACE" && isFirst)) window.scrollTo(0, 0);
  }, [key, navigation]);
}
