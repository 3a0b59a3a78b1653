// Notifications in the query cache: `["notifications"]` is the list.

import type { Notification } from "@blegram/client";
import { changeItems, itemsOf, type Loaded, prependItem, queries } from "../../query";

export const NOTIFICATIONS = ["notifications"] as const;

/** Puts a new notification at the top of the list. */
export function addNotification(notification: Notification): void {
  queries.setQueryData<Loaded<Notification>>(
    NOTIFICATIONS,
    (list) => list && prependItem(without(list, notification.id), notification),
  );
}

export function removeNotification(id: string): void {
  queries.setQueryData<Loaded<Notification>>(NOTIFICATIONS, (list) => list && without(list, id));
}

function without(list: Loaded<Notification>, id: string): Loaded<Notification> {
  return changeItems(list, (notification) => (notification.id === id ? undefined : notification));
}

/** Marks a notification and all older ones as read; ids sort by time. */
export function markReadUpTo(id: string): void {
  queries.setQueryData<Loaded<Notification>>(
    NOTIFICATIONS,
    (list) =>
      list &&
      changeItems(list, (notification) =>
        notification.is_read || notification.id > id ? notification : { ...notification, is_read: true },
      ),
  );
}

/** How many of the listed notifications are unread. */
export function listedUnread(): number {
  return itemsOf(queries.getQueryData<Loaded<Notification>>(NOTIFICATIONS)).filter(({ is_read }) => !is_read).length;
}
