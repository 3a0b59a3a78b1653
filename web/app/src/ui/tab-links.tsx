import type { LucideIcon } from "lucide-react";
import { Link } from "react-router";
import styles from "./tab-links.module.css";

interface TabLinksProps {
  /** What they are for. */
  label: string;
  tabs: { to: string; label: string; icon?: LucideIcon; isCurrent: boolean }[];
}

/** The parts of a page that have addresses of their own. They are links, and `back` leads to the page before. */
export function TabLinks({ label, tabs }: TabLinksProps) {
  return (
    <nav className={styles.tabs} aria-label={label}>
      {tabs.map(({ to, label: name, icon: Icon, isCurrent }) => (
        <Link key={to} to={to} replace className={styles.tab} aria-current={isCurrent ? "page" : undefined}>
          {Icon && <Icon size={18} aria-hidden />}
          {name}
        </Link>
      ))}
    </nav>
  );
}
