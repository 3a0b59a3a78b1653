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
  onScrollEnd: () => void;
  onResize: () => void;
  toEnd: () => void;
  showRow: (index: number) => void;
}

/** `more` is called with the offset of what is shown, to read what is before. */
export function usePlace(rows: Row[], more: (offset: number) => void): Place {
  const list = useRef<VirtualizerHandle>(null);
  const isAtEnd = useRef(true);
  /** The row that the list scrolls to, which takes a moment: its index changes if rows are added before it. */
  const goal = useRef<{ key: string; align: "start" | "center" }>(undefined);
  const [isAway, setAway] = useState(false);
  const [missed, setMissed] = useState(0);

  const known = useRef<{ first: string | undefined; last: string | undefined; count: number }>(undefined);
  const first = rows[0]?.key;
  const last = rows.at(-1);
  const { current: before } = known;
  const isPrepended = before?.first !== undefined && first !== before.first && before.count < rows.length;

  const toEnd = useCallback(() => {
    isAtEnd.current = true;
    goal.current = undefined;
    setAway(false);
    setMissed(0);
    list.current?.scrollToIndex((known.current?.count ?? 0) - 1, { align: "end" });
  }, []);
  const goTo = useCallback((index: number, key: string, align: "start" | "center") => {
    isAtEnd.current = false;
    goal.current = { key, align };
    list.current?.scrollToIndex(index, { align });
  }, []);

  useLayoutEffect(() => {
    const previous = known.current;
    known.current = { first, last: last?.key, count: rows.length };
    if (!previous) {
      const unread = rows.findIndex(({ startsUnread }) => startsUnread);
      const row = rows[unread];
      return row ? goTo(unread, row.key, "start") : toEnd();
    }
    const isAdded = previous.last !== last?.key;
    if (isAtEnd.current || (isAdded && last?.isMine)) return toEnd();
    if (isAdded) {
      const added = rows.length - 1 - rows.findLastIndex(({ key }) => key === previous.last);
      setMissed((count) => count + added);
    }
    const { current: wanted } = goal;
    if (wanted && previous.first !== first) {
      const index = rows.findIndex(({ key }) => key === wanted.key);
      if (index >= 0) goTo(index, wanted.key, wanted.align);
    }
  }, [rows, first, last, toEnd, goTo]);

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
  const onScrollEnd = useCallback(() => {
    goal.current = undefined;
  }, []);
  const onResize = useCallback(() => {
    const { scrollSize = 0, viewportSize = 0, scrollOffset = 0 } = list.current ?? {};
    isAtEnd.current ||= scrollSize <= viewportSize;
    if (isAtEnd.current) toEnd();
    // A first page may be shorter than the screen.
    more(scrollOffset);
  }, [more, toEnd]);
  const showRow = useCallback(
    (index: number) => {
      const row = rows[index];
      if (row) goTo(index, row.key, "center");
    },
    [rows, goTo],
  );

  return { list, isPrepended, isAway, missed, onScroll, onScrollEnd, onResize, toEnd, showRow };
}
