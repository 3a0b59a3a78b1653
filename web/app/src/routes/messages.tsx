import { MessagesSquare } from "lucide-react";
import { useParams } from "react-router";
import { CONVERSATIONS } from "../features/chat/cache";
import { ConversationList } from "../features/chat/conversation-list";
import { ConversationPane } from "../features/chat/conversation-pane";
import { partnerOf } from "../features/chat/names";
import { useWatch } from "../features/chat/presence";
import { useOpen } from "../features/chat/typing";
import { useMe } from "../features/session/session";
import { useTexts } from "../i18n";
import { itemsOf, usePages } from "../query";
import { blegram } from "../site";
import { useIsDesk } from "../ui/media-query";
import { Empty } from "../ui/states";
import styles from "./messages.module.css";

/** The conversations; beside them, or instead of them on phones, one of them. */
export default function Messages() {
  const t = useTexts("chat");
  const { id } = useParams();
  const me = useMe()?.id ?? "";
  const isDesk = useIsDesk();
  const query = usePages(CONVERSATIONS, (...args) => blegram.conversations.list(...args));
  const conversations = itemsOf(query.data);
  const ids = conversations.map((conversation) => conversation.id);
  useOpen(id ? [id, ...ids] : ids);
  const partners = conversations.flatMap((conversation) => partnerOf(conversation, me)?.id ?? []);
  useWatch(partners);
  return (
    <div className={styles.messages}>
      {(isDesk || !id) && <ConversationList query={query} me={me} current={id} />}
      {id && <ConversationPane key={id} id={id} isFull={!isDesk} />}
      {!id && isDesk && (
        <div className={styles.nothing}>
          <Empty icon={MessagesSquare} title={t("choose")}>
            <p>{t("choose_more")}</p>
          </Empty>
        </div>
      )}
    </div>
  );
}
