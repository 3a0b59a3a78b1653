import type { Conversation } from "@blegram/client";
import { Avatar } from "../../ui/avatar";
import styles from "./conversation-avatar.module.css";
import { partnerOf } from "./names";
import { usePresence } from "./presence";

interface ConversationAvatarProps {
  conversation: Conversation;
  me: string;
  size: number;
}

/** The picture of the other member, or of two members of a group. */
export function ConversationAvatar({ conversation, me, size }: ConversationAvatarProps) {
  const partner = partnerOf(conversation, me);
  const isOnline = usePresence(partner?.id)?.online;
  if (partner) return <Avatar user={partner} size={size} online={isOnline} />;
  const { id, title, members } = conversation;
  const [one, two] = members.filter((member) => member.id !== me);
  if (!one || !two) {
    const group = {
      id,
      display_name: title || one?.display_name || "–",
      username: "",
      avatar_url: one?.avatar_url ?? null,
    };
    return <Avatar user={group} size={size} />;
  }
  return (
    <span className={styles.pair} style={{ width: size, height: size }}>
      <Avatar user={two} size={size * 0.68} />
      <Avatar user={one} size={size * 0.68} />
    </span>
  );
}
