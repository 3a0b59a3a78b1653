import type { User } from "@blegram/client";
import { BellOff, CalendarDays, Lock } from "lucide-react";
import { Link } from "react-router";
import { language, shortNumber, useTexts } from "../../i18n";
import { Avatar } from "../../ui/avatar";
import { RichText } from "../../ui/rich-text";
import { useMe } from "../session/session";
import { OwnActions, ProfileActions } from "./profile-actions";
import styles from "./profile-header.module.css";
import { closedBy } from "./queries";

const month = new Intl.DateTimeFormat(language, { year: "numeric", month: "long" });

/** Who a user is, and what the viewer can do about it. */
export function ProfileHeader({ user }: { user: User }) {
  const t = useTexts("people");
  const me = useMe();
  const isMine = me?.id === user.id;
  return (
    <div className={styles.profile}>
      <div className={styles.top}>
        <Avatar user={user} size={88} />
        <div className={styles.names}>
          <h2 className={styles.name} dir="auto">
            {user.display_name}
          </h2>
          <p className={styles.username}>
            <span>@{user.username}</span>
            {user.is_private && (
              <span className={styles.badge}>
                <Lock size={12} aria-hidden />
                {t("private")}
              </span>
            )}
            {user.viewer?.muting && (
              <span className={styles.badge}>
                <BellOff size={12} aria-hidden />
                {t("is_muted")}
              </span>
            )}
            {user.viewer?.followed_by && <span className={styles.badge}>{t("follows_you")}</span>}
          </p>
        </div>
      </div>
      {user.bio && (
        <p className={styles.bio}>
          <RichText text={user.bio} />
        </p>
      )}
      <p className={styles.joined}>
        <CalendarDays size={16} aria-hidden />
        {t("joined", { month: month.format(new Date(user.created_at)) })}
      </p>
      <Counts user={user} isClosed={closedBy(user, me?.id) !== undefined} />
      {isMine ? <OwnActions user={user} /> : <ProfileActions user={user} />}
    </div>
  );
}

function Counts({ user, isClosed }: { user: User; isClosed: boolean }) {
  const t = useTexts("people");
  const count = (label: string, value: number) => (
    <>
      <strong title={value.toLocaleString(language)}>{shortNumber(value)}</strong> {label}
    </>
  );
  const list = (path: string, label: string, value: number) => (
    <li>
      {isClosed ? (
        <span className={styles.count}>{count(label, value)}</span>
      ) : (
        <Link to={`/@${user.username}/${path}`} className={styles.count}>
          {count(label, value)}
        </Link>
      )}
    </li>
  );
  return (
    <ul className={styles.counts}>
      <li>
        <span className={styles.count}>{count(t("posts", { count: user.post_count }), user.post_count)}</span>
      </li>
      {list("followers", t("followers", { count: user.follower_count }), user.follower_count)}
      {list("following", t("followed_count"), user.following_count)}
    </ul>
  );
}
