import { useTexts } from "../../i18n";
import { Skeleton } from "../../ui/states";
import { GridSkeleton } from "./photo-grid";
import styles from "./profile-header.module.css";

/** A profile that is loading. */
export function ProfileSkeleton() {
  const t = useTexts("common");
  return (
    <div role="status">
      <span className="spoken">{t("loading")}</span>
      <div className={styles.profile} aria-hidden>
        <div className={styles.top}>
          <Skeleton height={88} width={88} round />
          <div className={styles.names}>
            <Skeleton height={24} width={160} />
          </div>
        </div>
        <Skeleton height={18} width="60%" />
        <Skeleton height={44} />
      </div>
      <GridSkeleton />
    </div>
  );
}
