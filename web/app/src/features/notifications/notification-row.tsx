import type { Notification } from "@blegram/client";
import { AtSign, Heart, type LucideIcon, MessageCircle, Reply, UserCheck, UserPlus } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { useTexts } from "../../i18n";
import { Avatar } from "../../ui/avatar";
import { Time } from "../../ui/time";
import styles from "./notification-row.module.css";

/** Icons of the types that the app knows. */
const ICONS: Record<string, LucideIcon> = {
  follow: UserPlus,
  follow_request: UserPlus,
  follow_accepted: UserCheck,
  post_like: Heart,
  comment_like: Heart,
  comment: MessageCircle,
  reply: Reply,
  mention: AtSign,
};

/** Later versions of the server may send further types. */
export const isKnown = ({ type }: Notification): boolean => type in ICONS;

interface NotificationRowProps {
  notification: Notification;
  /** It was not read before. */
  isNew: boolean;
}

/** Who did what, with a link to it. */
export function NotificationRow({ notification, isNew }: NotificationRowProps) {
  const t = useTexts("notifications");
  const { type, actor, post, created_at } = notification;
  const Icon = ICONS[type] ?? MessageCircle;
  const image = post?.media[0];
  const thumbnail = image?.variants.find(({ name }) => name === "thumb")?.url ?? image?.url;
  return (
    <Link to={pageOf(notification)} className={`${styles.row} ${isNew ? styles.new : ""}`}>
      <span className={styles.actor}>
        <Avatar user={actor ?? DELETED} size={44} />
        <span className={`${styles.icon} ${styles[type] ?? ""}`}>
          <Icon size={12} fill={type.endsWith("like") ? "currentColor" : "none"} aria-hidden />
        </span>
      </span>
      <span className={styles.text}>
        <span dir="auto">
          {isNew && <span className="spoken">{t("new")}: </span>}
          <Sentence notification={notification} />
        </span>
        <Time at={created_at} />
        {type === "follow_request" && <span className={styles.more}>{t("see_requests")}</span>}
      </span>
      {thumbnail && <img className={styles.image} src={thumbnail} alt="" loading="lazy" width={48} height={48} />}
      {isNew && <span className={styles.dot} aria-hidden />}
    </Link>
  );
}

const DELETED = { id: "0000", display_name: "–", username: "", avatar_url: null };

function Sentence({ notification: { type, actor, comment } }: { notification: Notification }): ReactNode {
  const t = useTexts("notifications");
  const name = <strong key="name">{actor?.display_name ?? t("someone")}</strong>;
  const text = comment?.text ?? "";
  switch (type) {
    case "follow":
    case "follow_request":
    case "follow_accepted":
    case "post_like":
      return t.rich(type, { name });
    case "comment_like":
    case "comment":
    case "reply":
      return t.rich(type, { name, text });
    case "mention":
      return comment ? t.rich("mention_comment", { name, text }) : t.rich("mention_post", { name });
    default:
      return null;
  }
}

/** What the notification is about. */
function pageOf({ type, actor, post, comment }: Notification): string {
  if (type === "follow_request") return "/follow-requests";
  const id = post?.id ?? comment?.post_id;
  if (id) return comment ? `/posts/${id}?comment=${comment.id}` : `/posts/${id}`;
  return actor ? `/@${actor.username}` : "/notifications";
}
