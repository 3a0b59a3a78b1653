import { type Conversation, type Message, NetworkError, Problem } from "@blegram/client";
import { MessageCircleOff } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useTexts } from "../../i18n";
import { ButtonLink } from "../../ui/button";
import { Empty, Failure, Spinner } from "../../ui/states";
import { setTitle } from "../../ui/title";
import { toastError } from "../../ui/toast";
import { useGateway } from "../realtime/realtime";
import { useMe } from "../session/session";
import { restThread, useConversation, useThread } from "./cache";
import { Composer } from "./composer";
import { ConversationHeader } from "./conversation-header";
import styles from "./conversation-pane.module.css";
import { type ComposerDraft, readDraft } from "./drafts";
import { MessageList } from "./message-list";
import { nameOf } from "./names";
import { TypingLine } from "./typing-line";
import { useUnsent } from "./unsent";
import { useVisibleHeight } from "./visible-height";
import { useEditMessage } from "./writes";

interface ConversationPaneProps {
  id: string;
  /** It covers the screen of a phone. */
  isFull: boolean;
}

/** A conversation: who is in it, its messages, and where messages are written. */
export function ConversationPane({ id, isFull }: ConversationPaneProps) {
  const t = useTexts("chat");
  const common = useTexts("common");
  const me = useMe()?.id ?? "";
  const { data: conversation, error, refetch } = useConversation(id);
  const pane = useRef<HTMLElement>(null);
  useVisibleHeight(pane, isFull);
  const name = conversation ? nameOf(conversation, me, t) : common("messages");
  useEffect(() => setTitle(name), [name]);
  // After the account has left it, what was known of it is no longer of use.
  const isMissing = error instanceof Problem && error.status === 404;

  return (
    <section ref={pane} className={styles.pane} aria-label={name}>
      <ConversationHeader name={name} conversation={isMissing ? undefined : conversation} me={me} />
      {isMissing && (
        <Empty icon={MessageCircleOff} title={t("conversation_not_found")}>
          <ButtonLink to="/messages">{common("messages")}</ButtonLink>
        </Empty>
      )}
      {!isMissing && conversation && <Messages conversation={conversation} me={me} />}
      {!isMissing && !conversation && (error ? <Failure error={error} onRetry={() => void refetch()} /> : <Spinner />)}
    </section>
  );
}

function Messages({ conversation, me }: { conversation: Conversation; me: string }) {
  const { id } = conversation;
  const gateway = useGateway();
  const thread = useThread(id);
  const unsent = useUnsent(id);
  const [edited, setEdited] = useState<Message>();
  const [replyTo, setReplyTo] = useState(() => readDraft(me, id)?.replyTo);
  const edit = useEditMessage();
  useEffect(() => {
    gateway?.follow(id);
    return () => restThread(id);
  }, [gateway, id]);

  const send = async ({ text, media, replyTo: original }: ComposerDraft) => {
    if (!gateway) throw new NetworkError("no gateway");
    await gateway.send(id, {
      text,
      ...(media.length > 0 && { media_ids: media.map((image) => image.id) }),
      ...(original && { reply_to: original.id }),
    });
  };
  const save = async (message: Message, { text }: ComposerDraft) => {
    setEdited(undefined);
    if (text !== message.text) await edit.mutateAsync({ message, text });
  };

  return (
    <>
      {thread ? (
        <MessageList
          conversation={conversation}
          me={me}
          thread={thread}
          unsent={unsent}
          onReply={(message) => {
            setEdited(undefined);
            setReplyTo(message);
          }}
          onEdit={setEdited}
        />
      ) : (
        <div className={styles.loading}>
          <Spinner />
        </div>
      )}
      <TypingLine conversation={conversation} me={me} />
      <Composer
        key={edited?.id ?? "new"}
        conversation={id}
        me={me}
        edited={edited}
        replyTo={replyTo}
        onReplyTo={setReplyTo}
        onCancelEdit={() => setEdited(undefined)}
        onTyping={() => gateway?.typing(id)}
        onSend={(draft) =>
          (edited ? save(edited, draft) : send(draft)).catch((error: unknown) => {
            // A failed edit has said so itself.
            if (!edited) toastError(error);
            throw error;
          })
        }
      />
    </>
  );
}
