import type { Conversation } from "@blegram/client";
import { ArrowLeft, BellOff, Info } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Link, useNavigate } from "react-router";
import { timeAgo, useTexts } from "../../i18n";
import { IconButton } from "../../ui/button";
import { useIsConnected } from "../realtime/realtime";
import { ConversationAvatar } from "./conversation-avatar";
import styles from "./conversation-header.module.css";
import { partnerOf } from "./names";
import { usePresence } from "./presence";

const ConversationDetails = lazy(() => import("./conversation-details"));

interface ConversationHeaderProps {
  name: string;
  conversation: Conversation | undefined;
  me: string;
}

export function ConversationHeader({ name, conversation, me }: ConversationHeaderProps) {
  const t = useTexts("chat");
  const common = useTexts("common");
  const navigate = useNavigate();
  const [isOpen, setOpen] = useState(false);
  const partner = conversation && partnerOf(conversation, me);
  return (
    <header className={styles.header}>
      <span className={styles.back}>
        <IconButton icon={ArrowLeft} label={common("back")} onClick={() => navigate("/messages")} />
      </span>
      {conversation && <ConversationAvatar conversation={conversation} me={me} size={36} />}
      <div className={styles.names}>
        <h1 dir="auto">{partner ? <Link to={`/@${partner.username}`}>{name}</Link> : name}</h1>
        {conversation && <State conversation={conversation} partner={partner?.id} />}
      </div>
      {conversation?.is_muted && <BellOff size={18} aria-label={t("muted")} />}
      {conversation && <IconButton icon={Info} label={t("details")} onClick={() => setOpen(true)} />}
      {isOpen && conversation && (
        <Suspense>
          <ConversationDetails conversation={conversation} me={me} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </header>
  );
}

/** Whether the other one is online, or how many members there are; on phones also that the app is not connected. */
function State({ conversation, partner }: { conversation: Conversation; partner: string | undefined }) {
  const t = useTexts("chat");
  const isConnected = useIsConnected();
  const presence = usePresence(partner);
  if (isConnected === false) return <p className={styles.state}>{t("waiting_for_network")}</p>;
  if (conversation.kind !== "direct")
    return <p className={styles.state}>{t("members", { count: conversation.members.length })}</p>;
  if (presence?.online) return <p className={styles.state}>{t("online")}</p>;
  if (presence?.last_seen_at)
    return <p className={styles.state}>{t("last_seen", { when: timeAgo(presence.last_seen_at) })}</p>;
  return null;
}
