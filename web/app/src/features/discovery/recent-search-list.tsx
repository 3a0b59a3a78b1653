import { Clock, X } from "lucide-react";
import { useRef, useState } from "react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { Button, IconButton } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import styles from "./recent-search-list.module.css";
import { useDeleteRecentSearches, useRecentSearches } from "./recent-searches";
import { searchAddress } from "./search-address";

interface RecentSearchListProps {
  /** Called when a search is opened. */
  onOpen?: () => void;
}

/** The recent searches, to open and to delete. Nothing if there are none. */
export function RecentSearchList({ onOpen }: RecentSearchListProps) {
  const t = useTexts("discovery");
  const searches = useRecentSearches();
  const remove = useDeleteRecentSearches();
  const [isAsking, setAsking] = useState(false);
  const list = useRef<HTMLUListElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);

  /** The focus goes to the next one before this one leaves. */
  const removeAt = (index: number, ids: string[]) => {
    const rows = list.current?.children;
    const next = rows?.[index + 1] ?? rows?.[index - 1];
    (next?.querySelector("button") ?? heading.current)?.focus();
    remove.mutate(ids);
  };
  if (searches.length === 0) return null;
  return (
    <section className={styles.recent} aria-labelledby="recent-searches">
      <header className={styles.header}>
        <h2 id="recent-searches" ref={heading} tabIndex={-1}>
          {t("recent")}
        </h2>
        <Button small kind="quiet" onClick={() => setAsking(true)}>
          {t("clear_all")}
        </Button>
      </header>
      <ul ref={list}>
        {searches.map(({ text, kind, ids }, index) => (
          <li key={text} className={styles.row}>
            <Link to={searchAddress(text, kind)} className={styles.link} {...(onOpen ? { onClick: onOpen } : {})}>
              <Clock size={18} aria-hidden />
              <span className={styles.text} dir="auto">
                {text}
              </span>
            </Link>
            <IconButton icon={X} size={18} label={t("delete_recent", { text })} onClick={() => removeAt(index, ids)} />
          </li>
        ))}
      </ul>
      {isAsking && (
        <Confirm
          title={t("clear_title")}
          action={t("clear_all")}
          onConfirm={() => {
            setAsking(false);
            remove.mutate(undefined);
          }}
          onClose={() => setAsking(false)}
        >
          <p>{t("clear_more")}</p>
        </Confirm>
      )}
    </section>
  );
}
