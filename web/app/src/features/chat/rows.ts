// What the list of messages shows: the stored messages, then those that are not sent yet.

import type { Message } from "@blegram/client";
import { dayOf } from "../../i18n/day-of";
import type { Unsent } from "./unsent";

export interface Row {
  /** Stays the same when a message of this device is stored. */
  key: string;
  message: Message | undefined;
  unsent: Unsent | undefined;
  isMine: boolean;
  /** The first one of a day. */
  startsDay: boolean;
  /** The first one that was unread when the conversation was opened. */
  startsUnread: boolean;
  /** The first and the last one of several by one sender. */
  startsGroup: boolean;
  endsGroup: boolean;
}

/** Messages of one sender within this time belong together. */
const GROUP = 5 * 60_000;

interface Sources {
  messages: readonly Message[];
  unsent: readonly Unsent[];
  me: string;
  /** The number of the last message that had been read when the conversation was opened. */
  readNo: number;
}

export function rowsOf({ messages, unsent, me, readNo }: Sources): Row[] {
  const rows: Row[] = [];
  let previous: Message | undefined;
  for (const message of messages) {
    const isMine = message.sender?.id === me;
    const startsDay = !previous || dayOf(previous.created_at) !== dayOf(message.created_at);
    // Where everything that is known is new, what is new starts further up.
    const startsUnread = previous?.message_no === readNo && !isMine;
    const startsGroup = startsDay || startsUnread || !previous || !belongTogether(previous, message);
    end(rows.at(-1), startsGroup);
    const key = isMine ? message.client_id : message.id;
    rows.push({
      key,
      message,
      unsent: undefined,
      isMine,
      startsDay,
      startsUnread,
      startsGroup,
      endsGroup: true,
    });
    previous = message;
  }
  const stored = unsent.length > 0 ? new Set(rows.flatMap(({ isMine, key }) => (isMine ? [key] : []))) : undefined;
  for (const waiting of unsent) {
    const key = waiting.draft.client_id;
    // Its event was faster than the reply, or an earlier page had sent it.
    if (stored?.has(key)) continue;
    const startsGroup = !rows.at(-1)?.isMine;
    end(rows.at(-1), startsGroup);
    rows.push({
      key,
      message: undefined,
      unsent: waiting,
      isMine: true,
      startsDay: false,
      startsUnread: false,
      startsGroup,
      endsGroup: true,
    });
  }
  return rows;
}

function belongTogether(one: Message, other: Message): boolean {
  return one.sender?.id === other.sender?.id && Date.parse(other.created_at) - Date.parse(one.created_at) < GROUP;
}

function end(row: Row | undefined, isEnd: boolean): void {
  if (row) row.endsGroup = isEnd;
}
