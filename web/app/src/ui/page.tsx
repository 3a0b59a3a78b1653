import { ArrowLeft } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { useNavigate } from "react-router";
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
