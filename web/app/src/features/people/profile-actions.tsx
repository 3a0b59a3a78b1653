import type { User } from "@blegram/client";
import {
  Ban,
  BellOff,
  BellRing,
  Bookmark,
  Flag,
  Heart,
  Link2,
  Settings,
  Share2,
  UserMinus,
  UserPlus,
} from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { ButtonLink, IconButton } from "../../ui/button";
import { Menu } from "../../ui/menu";
import { MessageButton } from "../chat/message-button";
import { useMe } from "../session/session";
import { FollowButton } from "./follow-button";
import { useMuteAction } from "./mute-action";
import styles from "./profile-header.module.css";
import { useRequestCount } from "./queries";
import { useBlock } from "./relations";
import { canShare, copyLink, share } from "./share";

const BlockDialog = lazy(() => import("./block-dialog"));
const RemoveDialog = lazy(() => import("./remove-dialog"));
const ReportDialog = lazy(() => import("../reports/report-dialog"));

/** What the viewer can do with an account: follow and message it, and the rest in a menu. */
export function ProfileActions({ user }: { user: User }) {
  const t = useTexts("people");
  const isMember = useMe() !== null;
  const [dialog, setDialog] = useState<"block" | "remove" | "report">();
  const setMuted = useMuteAction(user);
  const block = useBlock(user);
  const { muting, blocking, followed_by } = user.viewer ?? {};
  const name = user.display_name;

  return (
    <div className={styles.actions}>
      <span className={styles.grow}>
        <FollowButton user={user} large />
      </span>
      {isMember && !blocking && <MessageButton user={user} />}
      <Menu
        label={t("more_about", { name })}
        items={[
          ...shareItems(user, t),
          isMember &&
            !blocking && {
              label: t(muting ? "unmute" : "mute"),
              icon: muting ? BellRing : BellOff,
              onSelect: () => void setMuted(!muting),
            },
          isMember &&
            followed_by && {
              label: t("remove_follower"),
              icon: UserMinus,
              onSelect: () => setDialog("remove"),
            },
          isMember && blocking && { label: t("unblock"), icon: Ban, onSelect: () => block.mutate(false) },
          isMember && !blocking && { label: t("block"), icon: Ban, danger: true, onSelect: () => setDialog("block") },
          isMember && { label: t("report"), icon: Flag, danger: true, onSelect: () => setDialog("report") },
        ]}
      />
      <Suspense>
        {dialog === "block" && <BlockDialog user={user} onClose={() => setDialog(undefined)} />}
        {dialog === "remove" && <RemoveDialog user={user} onClose={() => setDialog(undefined)} />}
        {dialog === "report" && (
          <ReportDialog subject={{ type: "user", id: user.id, author: user }} onClose={() => setDialog(undefined)} />
        )}
      </Suspense>
    </div>
  );
}

/** What is only on the viewer's own profile. */
export function OwnActions({ user }: { user: User }) {
  const t = useTexts("people");
  const { count, isMore } = useRequestCount();
  return (
    <>
      <div className={styles.actions}>
        <span className={styles.grow}>
          <ButtonLink to="/settings/profile">{t("edit_profile")}</ButtonLink>
        </span>
        <IconButton
          icon={canShare() ? Share2 : Link2}
          label={t(canShare() ? "share" : "copy_link")}
          onClick={() => void share(user, t)}
        />
      </div>
      <nav className={styles.links} aria-label={t("your_pages")}>
        {(user.is_private || count > 0) && (
          <Link to="/follow-requests" className={styles.link}>
            <UserPlus size={18} aria-hidden />
            {t("requests")}
            {count > 0 && (
              <span className={styles.number}>
                {count}
                {isMore && "+"}
              </span>
            )}
          </Link>
        )}
        <Link to="/liked" className={styles.link}>
          <Heart size={18} aria-hidden />
          {t("liked")}
        </Link>
        <Link to="/bookmarks" className={styles.link}>
          <Bookmark size={18} aria-hidden />
          {t("bookmarks")}
        </Link>
        <Link to="/settings" className={styles.link}>
          <Settings size={18} aria-hidden />
          {t("settings")}
        </Link>
      </nav>
    </>
  );
}

function shareItems(user: User, t: ReturnType<typeof useTexts<"people">>) {
  return [
    canShare() && { label: t("share"), icon: Share2, onSelect: () => void share(user, t) },
    { label: t("copy_link"), icon: Link2, onSelect: () => void copyLink(user, t) },
  ];
}
