import { type ReactNode, useEffect } from "react";
import { Link } from "react-router";
import { serverPage } from "../../site";
import { setTitle } from "../../ui/title";
import styles from "./entrance.module.css";
import { useInstance } from "./session";

/** A page with one thing to do, such as the login: the name of the site, and a card. */
export function Entrance({ title, children, foot }: { title: string; children: ReactNode; foot?: ReactNode }) {
  const { name } = useInstance();
  useEffect(() => setTitle(title), [title]);
  return (
    <div className={styles.page}>
      <Link to="/" className={styles.brand}>
        <img src={serverPage("/icons/icon.svg")} alt="" width={44} height={44} />
        <span dir="auto">{name}</span>
      </Link>
      <div className={styles.card}>
        <h1>{title}</h1>
        {children}
      </div>
      {foot && <p className={styles.foot}>{foot}</p>}
    </div>
  );
}
