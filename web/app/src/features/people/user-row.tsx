import type { UserSummary } from "@blegram/client";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { Avatar } from "../../ui/avatar";
import styles from "./user-row.module.css";

interface UserRowProps {
  user: UserSummary;
  /** Below the name. */
  note?: ReactNode;
  /** A button at the end of the row. */
  action?: ReactNode;
  online?: boolean | undefined;
}

/** A user in a list. */
export function UserRow({ user, note, action, online }: UserRowProps) {
  return (
    <div className={styles.row}>
      <Link to={`/@${user.username}`} className={styles.user}>
        <Avatar user={user} size={44} online={online} />
        <span className={styles.names}>
          <strong dir="auto">{user.display_name}</strong>
          <span className="faint">{note ?? `@${user.username}`}</span>
        </span>
      </Link>
      {action}
    </div>
  );
}
