// What part of a list of messages is on the screen: its end, until the user scrolls up; then what is being read stays.

import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";
import type { VirtualizerHandle } from "virtua";
import type { Row } from "./rows";

/** The end is on the screen, or nearly. */
const NEAR = 60;

interface Place {
  list: RefObject<VirtualizerHandle | null>;
  /** Rows were added at the start. */
  isPrepended: boolean;
  /** The end is not on the screen. */
  isAway: boolean;
  /** How many messages have arrived below since. */
  missed: number;
  onScroll: (offset: number) => void;
  onResize: () => void;
  toEnd: () => void;
  showRow: (index: number) => void;
}

/** `more` is called with the offset of what is shown, to read what is before. */
export function usePlace(rows: Row[], more: (offset: number) => void): Place {
  const list = useRef<VirtualizerHandle>(null);
  const isAtEnd = useRef(true);
  const [isAway, setAway] = useState(false);
  const [missed, setMissed] = useState(0);

  const toEnd = useCallback(() => {
    isAtEnd.current = true;
    setAway(false);
    setMissed(0);
    list.current?.scrollToIndex(count.current - 1, { align: "end" });
  }, []);

  const count = useRef(0);
  const known = useRef<{ first: string | undefined; last: string | undefined }>(undefined);
  const first = rows[0]?.key;
  const last = rows.at(-1);
  const isPrepended =
    known.current?.first !== undefined && first !== known.current.first && count.current < rows.length;

  useLayoutEffect(() => {
    const before = known.current;
    const added = rows.length - 1 - rows.findLastIndex(({ key }) => key === before?.last);
    known.current = { first, last: last?.key };
    count.current = rows.length;
    if (!before) {
      const unread = rows.findIndex(({ startsUnread }) => startsUnread);
      if (unread < 0) return toEnd();
      isAtEnd.current = false;
      list.current?.scrollToIndex(unread, { align: "start" });
    } else if (before.last !== last?.key) {
      if (isAtEnd.current || last?.isMine) toEnd();
      else setMissed((missed) => missed + added);
    }
  }, [rows, first, last, toEnd]);

  const onScroll = useCallback(
    (offset: number) => {
      const { scrollSize = 0, viewportSize = 0 } = list.current ?? {};
      isAtEnd.current = scrollSize - offset - viewportSize < NEAR;
      setAway(!isAtEnd.current);
      if (isAtEnd.current) setMissed(0);
      more(offset);
    },
    [more],
  );
  const onResize = useCallback(() => {
    const { scrollSize = 0, viewportSize = 0 } = list.current ?? {};
    isAtEnd.current ||= scrollSize <= viewportSize;
    if (isAtEnd.current) toEnd();
    // A first page may be shorter than the screen.
    more(list.current?.scrollOffset ?? 0);
  }, [more, toEnd]);

  const showRow = useCallback((index: number) => {
    isAtEnd.current = false;
    list.current?.scrollToIndex(index, { align: "center" });
  }, []);

  return { list, isPrepended, isAway, missed, onScroll, onResize, toEnd, showRow };
}
