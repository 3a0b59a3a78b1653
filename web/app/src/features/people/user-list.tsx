import type { User } from "@blegram/client";
import type { ReactNode } from "react";
import { useTexts } from "../../i18n";
import { usePages } from "../../query";
import { PageList } from "../../ui/page-list";
import { Skeleton } from "../../ui/states";
import { FollowButton } from "./follow-button";
import styles from "./user-list.module.css";
import { UserRow } from "./user-row";

interface UserListProps {
  /** `usersKey(…)`. */
  queryKey: readonly unknown[];
  list: Parameters<typeof usePages<User>>[1];
  label: string;
  empty: ReactNode;
  /** What else can be done with a user. */
  more?: (user: User) => ReactNode;
}

/** A list of users to follow that scrolls with the window. */
export function UserList({ queryKey, list, label, empty, more }: UserListProps) {
  const query = usePages<User>(queryKey, list);
  return (
    <PageList query={query} label={label} empty={empty} skeleton={<UserSkeletons />}>
      {(user) => (
        <UserRow
          user={user}
          note={<UserNote user={user} />}
          action={
            <span className={styles.actions}>
              <FollowButton user={user} />
              {more?.(user)}
            </span>
          }
        />
      )}
    </PageList>
  );
}

/** The username, and whether the user follows the viewer. */
export function UserNote({ user }: { user: User }) {
  const t = useTexts("people");
  return (
    <>
      <span dir="auto">@{user.username}</span>
      {user.viewer?.followed_by && <span className={styles.badge}>{t("follows_you")}</span>}
    </>
  );
}

export function UserSkeletons({ count = 6 }: { count?: number }) {
  return (
    <div aria-hidden>
      {Array.from({ length: count }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
        <div key={index} className={styles.skeleton}>
          <Skeleton height={44} width={44} round />
          <span className={styles.lines}>
            <Skeleton height={12} width={120} />
            <Skeleton height={10} width={80} />
          </span>
        </div>
      ))}
    </div>
  );
}
