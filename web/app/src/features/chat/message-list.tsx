import type { Conversation, Message } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { ArrowDown } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Virtualizer } from "virtua";
import { useTexts } from "../../i18n";
import { Button } from "../../ui/button";
import { Spinner } from "../../ui/states";
import { toast, toastError } from "../../ui/toast";
import { loadOlder, readBackTo } from "./cache";
import styles from "./message-list.module.css";
import { MessageRow } from "./message-row";
import { nameOf, summaryOf, useMemberName } from "./names";
import { usePlace } from "./place";
import { useReadMarks, WatchMessages } from "./read-marks";
import { type Row, rowsOf } from "./rows";
import { statusOf } from "./status";
import type { Thread } from "./thread";
import type { Unsent } from "./unsent";

interface MessageListProps {
  conversation: Conversation;
  me: string;
  thread: Thread;
  unsent: Unsent[];
  onReply: (message: Message) => void;
  onEdit: (message: Message) => void;
}

/** Load older messages when so many pixels are left above. */
const AHEAD = 1200;

/** The messages of a conversation: only what is visible is in the page, and what is being read stays where it is. */
export function MessageList({ conversation, me, thread, unsent, onReply, onEdit }: MessageListProps) {
  const t = useTexts("chat");
  const common = useTexts("common");
  const scroller = useRef<HTMLDivElement>(null);
  const { messages, isWhole } = thread;
  const readNo = useReadNoBefore(conversation.read_no);
  const rows = useMemo(() => rowsOf({ messages, unsent, me, readNo }), [messages, unsent, me, readNo]);
  const byId = useMemo(() => new Map(messages.map((message) => [message.id, message])), [messages]);
  const watch = useReadMarks(conversation.id, conversation.read_no, scroller);

  const older = useMutation({ mutationFn: () => loadOlder(conversation.id), retry: 2 });
  const more = useCallback(
    (offset: number) => {
      if (offset < AHEAD && !isWhole && !older.isPending && !older.isError) older.mutate();
    },
    [isWhole, older],
  );
  const place = usePlace(rows, more);
  const [target, setTarget] = useState<string>();
  const jump = useJump(conversation.id, setTarget);

  // The row exists only after the messages before it were read.
  const targetIndex = target ? rows.findIndex(({ message }) => message?.id === target) : -1;
  const { showRow } = place;
  useEffect(() => {
    if (targetIndex >= 0) showRow(targetIndex);
  }, [targetIndex, showRow]);

  const name = nameOf(conversation, me, t);
  const lastMine = rows.findLast(({ isMine, message }) => isMine && message && !message.is_deleted)?.message;
  const status = lastMine && rows.at(-1)?.isMine ? statusOf(lastMine, conversation) : undefined;

  return (
    <WatchMessages value={watch}>
      <div className={styles.frame}>
        <div
          ref={scroller}
          className={styles.scroller}
          role="log"
          aria-label={t("log", { name })}
          // What arrives is said by `Announcer`; what is scrolled into view is not news.
          aria-live="off"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so keyboards must reach it
          tabIndex={0}
        >
          <div className={styles.spacer} />
          <Virtualizer
            ref={place.list}
            data={rows}
            shift={place.isPrepended}
            bufferSize={600}
            onScroll={place.onScroll}
            onScrollEnd={place.onScrollEnd}
            onResize={place.onResize}
          >
            {(row: Row, index) => (
              <MessageRow
                key={row.key}
                row={row}
                conversation={conversation}
                me={me}
                quoted={row.message?.reply_to ?? row.unsent?.draft.reply_to ?? undefined}
                original={byId.get(row.message?.reply_to ?? row.unsent?.draft.reply_to ?? "")}
                status={row.message && row.message === lastMine ? status : undefined}
                isStart={index === 0 && isWhole}
                isTarget={row.message !== undefined && row.message.id === target}
                onTargetShown={() => setTarget(undefined)}
                onJump={jump.mutate}
                onReply={onReply}
                onEdit={onEdit}
              />
            )}
          </Virtualizer>
        </div>
        <div className={styles.above} role="status">
          {(older.isPending || jump.isPending) && (
            <span className={styles.loading}>
              <Spinner label={t(jump.isPending ? "quote_searching" : "loading_older")} />
            </span>
          )}
          {older.isError && (
            <span className={styles.failure}>
              {t("older_failed")} <Button onClick={() => older.mutate()}>{common("retry")}</Button>
            </span>
          )}
        </div>
        {place.isAway && (
          <button type="button" className={styles.pill} onClick={place.toEnd}>
            <ArrowDown size={18} aria-hidden />
            {place.missed > 0 ? t("new_count", { count: place.missed }) : t("to_newest")}
          </button>
        )}
      </div>
      <Announcer conversation={conversation} me={me} messages={messages} />
    </WatchMessages>
  );
}

/** Where the user had read when the conversation was opened, or when the page was last hidden. */
function useReadNoBefore(readNo: number): number {
  const [before, setBefore] = useState(readNo);
  useEffect(() => {
    const onChange = () => document.visibilityState === "hidden" && setBefore(readNo);
    document.addEventListener("visibilitychange", onChange);
    return () => document.removeEventListener("visibilitychange", onChange);
  }, [readNo]);
  return before;
}

/** Shows a message, however far up it is. */
function useJump(conversation: string, onFound: (id: string) => void) {
  const t = useTexts("chat");
  const end = useRef<AbortController>(undefined);
  useEffect(() => () => end.current?.abort(), []);
  return useMutation({
    mutationFn: (id: string) => {
      end.current?.abort();
      end.current = new AbortController();
      return readBackTo(conversation, id, end.current.signal);
    },
    onSuccess: (isFound, id) => (isFound ? onFound(id) : toast(t("quote_not_found"))),
    onError: toastError,
  });
}

/** Says new messages of others to screen readers. */
function Announcer({
  conversation,
  me,
  messages,
}: {
  conversation: Conversation;
  me: string;
  messages: readonly Message[];
}) {
  const t = useTexts("chat");
  const memberName = useMemberName(conversation);
  const last = messages.at(-1);
  const first = useRef(last?.message_no ?? 0);
  const isNew = last && last.message_no > first.current && last.sender?.id !== me && !last.is_deleted;
  return (
    <div className="spoken" aria-live="polite">
      {isNew && (
        <p key={last.id}>{t("arrived", { name: memberName(last.sender?.id ?? ""), text: summaryOf(last, t) })}</p>
      )}
    </div>
  );
}
