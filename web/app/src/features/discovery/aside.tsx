import { useTexts } from "../../i18n";
import styles from "./aside.module.css";
import { SuggestedUsers } from "./suggested-users";
import { Trends } from "./trends";

/** Beside the page on wide screens: what people talk about, and whom to follow. */
export default function Aside() {
  const t = useTexts("discovery");
  return (
    <aside className={styles.aside} aria-label={t("discover")}>
      <div className={styles.box}>
        <Trends most={6} />
      </div>
      <div className={styles.box}>
        <SuggestedUsers layout="rows" most={4} />
      </div>
    </aside>
  );
}
