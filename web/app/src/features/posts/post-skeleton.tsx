import { Skeleton } from "../../ui/states";
import styles from "./post-skeleton.module.css";

/** Posts that are loading. */
export function PostSkeletons() {
  return (
    <div aria-busy>
      <PostSkeleton />
      <PostSkeleton />
    </div>
  );
}

export function PostSkeleton() {
  return (
    <div className={styles.post}>
      <div className={styles.header}>
        <Skeleton height={40} width={40} round />
        <Skeleton height={14} width="40%" />
      </div>
      <div className={styles.photo} />
      <Skeleton height={14} width="80%" />
    </div>
  );
}
