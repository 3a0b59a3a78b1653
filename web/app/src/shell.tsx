import { Bell, Bookmark, House, MessageCircle, Search, Settings, SquarePlus } from "lucide-react";
import { type ComponentType, lazy, type ReactNode, Suspense } from "react";
import { Link, NavLink, useLocation } from "react-router";
import { useUnread } from "./features/notifications/unread";
import { useIsConnected } from "./features/realtime/realtime";
import { useMe } from "./features/session/session";
import { loadTexts, useTexts } from "./i18n";
import styles from "./shell.module.css";
import { serverPage } from "./site";
import { Avatar } from "./ui/avatar";
import { ButtonLink } from "./ui/button";
import { useIsWide } from "./ui/media-query";

/** Pages without navigation: one thing to do. */
const BARE = ["/login", "/signup", "/forgot-password"];

/** Pages that need the room themselves. */
const WITHOUT_SIDE = /^\/(messages|settings|admin)(\/|$)/;

const Aside = lazy(async (): Promise<{ default: ComponentType }> => {
  try {
    const [aside] = await Promise.all([
      import("./features/discovery/aside"),
      loadTexts("discovery"),
      loadTexts("people"),
    ]);
    return aside;
  } catch {
    // The page does not need it.
    return { default: () => null };
  }
});

/** Pages that fill the screen, and scroll inside of it. */
const FULL = /^\/messages(\/|$)/;

/** What surrounds all pages: the navigation (a bar on phones, a rail on desks), and the column of the page. */
export function Shell({ children }: { children: ReactNode }) {
  const t = useTexts("common");
  const { pathname } = useLocation();
  if (BARE.includes(pathname)) return <main className={styles.bare}>{children}</main>;
  return (
    <div className={styles.shell}>
      <a href="#page" className={styles.skip}>
        {t("skip")}
      </a>
      <Navigation />
      <main id="page" className={`${styles.column} ${FULL.test(pathname) ? styles.full : ""}`} tabIndex={-1}>
        <Connection />
        {children}
      </main>
      <Side pathname={pathname} />
    </div>
  );
}

/** Beside the page, where there is room: narrow screens do not load it. */
function Side({ pathname }: { pathname: string }) {
  const isWide = useIsWide();
  if (!isWide || WITHOUT_SIDE.test(pathname)) return null;
  return (
    <div className={styles.side}>
      <Suspense>
        <Aside />
      </Suspense>
    </div>
  );
}

function Navigation() {
  const t = useTexts("common");
  const me = useMe();
  const unread = useUnread();
  return (
    <nav className={styles.nav} aria-label={t("navigation")}>
      <Link to="/" className={styles.brand} aria-label="blegram">
        <img src={serverPage("/icons/icon.svg")} alt="" width={32} height={32} />
        <span>blegram</span>
      </Link>
      <ul>
        <Entry to="/" icon={<House aria-hidden />} label={t("home")} />
        <Entry to="/explore" icon={<Search aria-hidden />} label={t("explore")} />
        {me && (
          <>
            <Entry to="/new" icon={<SquarePlus aria-hidden />} label={t("new_post")} />
            <Entry
              to="/notifications"
              icon={<Bell aria-hidden />}
              label={t("notifications")}
              count={unread.notifications}
            />
            <Entry to="/messages" icon={<MessageCircle aria-hidden />} label={t("messages")} count={unread.messages} />
            <Entry to="/bookmarks" icon={<Bookmark aria-hidden />} label={t("bookmarks")} wide />
            <Entry to={`/@${me.username}`} icon={<Avatar user={me} size={26} />} label={t("profile")} />
          </>
        )}
        <Entry to="/settings" icon={<Settings aria-hidden />} label={t("settings")} wide={Boolean(me)} />
      </ul>
      {!me && (
        <div className={styles.join}>
          <ButtonLink to="/login" kind="primary">
            {t("log_in")}
          </ButtonLink>
          <ButtonLink to="/signup">{t("sign_up")}</ButtonLink>
        </div>
      )}
    </nav>
  );
}

interface EntryProps {
  to: string;
  icon: ReactNode;
  label: string;
  /** How much is unread. */
  count?: number;
  /** Only where there is room. */
  wide?: boolean;
}

function Entry({ to, icon, label, count = 0, wide = false }: EntryProps) {
  const t = useTexts("common");
  return (
    <li className={wide ? styles.wide : ""}>
      <NavLink to={to} end={to === "/"} title={label}>
        <span className={styles.icon}>
          {icon}
          {count > 0 && (
            <span className={styles.count} aria-hidden>
              {count > 99 ? "99+" : count}
            </span>
          )}
        </span>
        <span className={styles.label}>{label}</span>
        {count > 0 && <span className="spoken">{t("unread", { count })}</span>}
      </NavLink>
    </li>
  );
}

/** Says that the app is not connected, after it was. */
function Connection() {
  const t = useTexts("common");
  const isConnected = useIsConnected();
  return (
    <div role="status" className={styles.connection} hidden={isConnected !== false}>
      {isConnected === false && t("reconnecting")}
    </div>
  );
}
