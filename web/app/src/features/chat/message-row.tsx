import type { Conversation, Message } from "@blegram/client";
import { useEffect, useRef, useState } from "react";
import { useTexts } from "../../i18n";
import { Avatar } from "../../ui/avatar";
import { clockTime, dayName } from "../../ui/day";
import { Bubble } from "./bubble";
import { MessageMenu } from "./message-menu";
import styles from "./message-row.module.css";
import { nameOf } from "./names";
import { Quote } from "./quote";
import { useWatched } from "./read-marks";
import type { Row } from "./rows";
import { readersOf, type Status } from "./status";
import { UnsentState } from "./unsent-state";

interface MessageRowProps {
  row: Row;
  conversation: Conversation;
  me: string;
  /** The id of the message that this one replies to, and that message if it is known. */
  quoted: string | undefined;
  original: Message | undefined;
  /** Of the last message of the user. */
  status: Status | undefined;
  /** The conversation begins with this message. */
  isStart: boolean;
  /** It was searched for: it is highlighted and has the focus. */
  isTarget: boolean;
  onTargetShown: () => void;
  onJump: (id: string) => void;
  onReply: (message: Message) => void;
  onEdit: (message: Message) => void;
}

/** A message, with what is between it and the one before: a day, the start of what is new. */
export function MessageRow(props: MessageRowProps) {
  const { row, conversation, me, quoted, original, status, isStart } = props;
  const { message, unsent, isMine } = row;
  const t = useTexts("chat");
  const element = useRef<HTMLElement>(null);
  useWatched(element);
  const isHighlighted = useHighlight(element, props);
  const sender = isMine ? undefined : message?.sender;
  const time = message?.created_at;
  const name = isMine ? t("you") : (sender?.display_name ?? t("deleted_account"));
  return (
    <>
      {isStart && <Start conversation={conversation} me={me} />}
      {row.startsDay && time && (
        <p className={styles.day}>
          <time dateTime={time}>{dayName(time)}</time>
        </p>
      )}
      {row.startsUnread && <p className={styles.unread}>{t("new_messages")}</p>}
      <article
        ref={element}
        className={[
          styles.row,
          isMine && styles.mine,
          row.startsGroup && styles.first,
          isHighlighted && styles.highlighted,
        ]
          .filter(Boolean)
          .join(" ")}
        aria-label={time ? `${name}, ${clockTime(time)}` : name}
        data-no={message?.message_no}
        tabIndex={-1}
        onPointerEnter={(event) => placeMenu(event.currentTarget)}
        onFocus={(event) => placeMenu(event.currentTarget)}
      >
        {!isMine && (
          <span className={styles.avatar}>{row.startsGroup && <Avatar user={sender ?? DELETED} size={32} />}</span>
        )}
        <div className={styles.content}>
          {!isMine && row.startsGroup && conversation.kind !== "direct" && (
            <span className={styles.sender} dir="auto">
              {name}
            </span>
          )}
          {quoted && !message?.is_deleted && <Quote id={quoted} message={original} onJump={props.onJump} />}
          <div className={styles.line}>
            <Bubble message={message} unsent={unsent} isMine={isMine} />
            <span className={styles.side}>
              {message && !message.is_deleted && (
                <MessageMenu
                  message={message}
                  conversation={conversation}
                  isMine={isMine}
                  onReply={props.onReply}
                  onEdit={props.onEdit}
                />
              )}
              {time && row.endsGroup && (
                <time dateTime={time} className={styles.time}>
                  {clockTime(time)}
                </time>
              )}
            </span>
          </div>
          {message?.edited_at && !message.is_deleted && <span className={styles.note}>{t("edited")}</span>}
          {status && message && (
            <span className={styles.note}>
              {status === "read" && conversation.kind !== "direct"
                ? t("read_by_count", { count: readersOf(message, conversation).length })
                : t(status)}
            </span>
          )}
          {unsent && <UnsentState unsent={unsent} />}
        </div>
      </article>
    </>
  );
}

/** Shown for a sender whose account was deleted. */
const DELETED = { id: "0000", display_name: "–", username: "", avatar_url: null };

function Start({ conversation, me }: { conversation: Conversation; me: string }) {
  const t = useTexts("chat");
  return (
    <p className={styles.start}>
      {conversation.kind === "direct" ? t("start_direct", { name: nameOf(conversation, me, t) }) : t("start_group")}
    </p>
  );
}

/** How long a message that was searched for is highlighted. */
const HIGHLIGHT = 2500;

function useHighlight(
  element: { current: HTMLElement | null },
  { isTarget, onTargetShown }: Pick<MessageRowProps, "isTarget" | "onTargetShown">,
): boolean {
  const [isHighlighted, setHighlighted] = useState(false);
  const callback = useRef(onTargetShown);
  callback.current = onTargetShown;
  useEffect(() => {
    if (!isTarget) return;
    let frame = 0;
    // The virtual list hides a row until it is measured, and what is hidden cannot have the focus.
    const focus = () => {
      element.current?.focus({ preventScroll: true });
      if (document.activeElement === element.current) callback.current();
      else frame = requestAnimationFrame(focus);
    };
    setHighlighted(true);
    focus();
    return () => cancelAnimationFrame(frame);
  }, [element, isTarget]);
  useEffect(() => {
    if (!isHighlighted) return;
    const timer = setTimeout(() => setHighlighted(false), HIGHLIGHT);
    return () => clearTimeout(timer);
  }, [isHighlighted]);
  return isHighlighted;
}

/** About the height of the longest menu. */
const MENU = 240;

/** The menu opens above the row or below it, or over a row that leaves no room. */
function placeMenu(row: HTMLElement): void {
  const list = row.closest('[role="log"]')?.getBoundingClientRect();
  if (!list) return;
  const { top, bottom } = row.getBoundingClientRect();
  const above = top - list.top;
  const below = list.bottom - bottom;
  row.dataset["menu"] = Math.max(above, below) < MENU ? "over" : above > below ? "up" : "down";
}
