import type { Notification } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { Bell } from "lucide-react";
import { useEffect, useRef } from "react";
import { useTexts } from "../../i18n";
import { dayOf } from "../../i18n/day-of";
import { itemsOf, usePages } from "../../query";
import { blegram } from "../../site";
import { dayName } from "../../ui/day";
import { PageList } from "../../ui/page-list";
import { Empty } from "../../ui/states";
import { markReadUpTo, NOTIFICATIONS } from "./cache";
import styles from "./notification-list.module.css";
import { isKnown, NotificationRow } from "./notification-row";
import { changeUnread } from "./unread";

/** The notifications by day. Those that are shown are marked as read; during this visit they stay highlighted. */
export function NotificationList() {
  const t = useTexts("notifications");
  const common = useTexts("common");
  const query = usePages(NOTIFICATIONS, (...args) => blegram.notifications.list(...args));
  const items = itemsOf(query.data);
  const fresh = useFresh(items);
  useMarkRead(items);
  const days = startsOfDays(items);
  return (
    <PageList
      query={query}
      label={common("notifications")}
      empty={
        <Empty icon={Bell} title={t("empty")}>
          <p>{t("empty_more")}</p>
        </Empty>
      }
    >
      {(notification) =>
        isKnown(notification) && (
          <>
            {days.has(notification.id) && <h2 className={styles.day}>{dayName(notification.created_at)}</h2>}
            <NotificationRow notification={notification} isNew={fresh.has(notification.id)} />
          </>
        )
      }
    </PageList>
  );
}

/** The first notification of each day. Types that are not known are not shown. */
function startsOfDays(items: Notification[]): Set<string> {
  const starts = new Set<string>();
  let day: number | undefined;
  for (const notification of items) {
    if (!isKnown(notification)) continue;
    const other = dayOf(notification.created_at);
    if (other !== day) starts.add(notification.id);
    day = other;
  }
  return starts;
}

/** Those that were unread when they were first shown. */
function useFresh(items: Notification[]): Set<string> {
  const fresh = useRef(new Set<string>());
  for (const { id, is_read } of items) if (!is_read) fresh.current.add(id);
  return fresh.current;
}

/** Marks what is shown as read: when the page is visible. */
function useMarkRead(items: Notification[]): void {
  const { mutate } = useMutation({
    mutationFn: (up_to: string) => blegram.notifications.markRead({ up_to }),
    onSuccess: ({ unread_count, read_up_to }) => {
      if (read_up_to) markReadUpTo(read_up_to);
      changeUnread((counts) => ({ ...counts, notifications: unread_count }));
    },
  });
  const newest = items
    .map(({ id }) => id)
    .sort()
    .at(-1);
  const hasUnread = items.some(({ is_read }) => !is_read);
  useEffect(() => {
    if (!newest || !hasUnread) return;
    const mark = () => {
      if (document.visibilityState === "visible") mutate(newest);
    };
    mark();
    document.addEventListener("visibilitychange", mark);
    return () => document.removeEventListener("visibilitychange", mark);
  }, [newest, hasUnread, mutate]);
}
