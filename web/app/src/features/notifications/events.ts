// What the events of notifications change.

import { queries } from "../../query";
import type { Listen } from "../realtime/realtime";
import { addNotification, listedUnread, markReadUpTo, NOTIFICATIONS, removeNotification } from "./cache";
import { changeUnread } from "./unread";

export const listenToNotifications: Listen = (gateway) => {
  let wasConnected = false;
  gateway.on("connected", () => {
    // Notifications have no history to catch up with.
    if (wasConnected) reload();
    wasConnected = true;
  });
  gateway.on("notification.created", ({ notification }) => {
    addNotification(notification);
    changeUnread((counts) => ({ ...counts, notifications: counts.notifications + 1 }));
  });
  gateway.on("notification.deleted", ({ id, unread_count }) => {
    removeNotification(id);
    changeUnread((counts) => ({ ...counts, notifications: unread_count }));
  });
  gateway.on("notification.state", ({ unread_count, read_up_to }) => {
    if (read_up_to) markReadUpTo(read_up_to);
    changeUnread((counts) => ({ ...counts, notifications: unread_count }));
    // Others were withdrawn, or occurred again: not what a read mark does.
    if (listedUnread() !== unread_count) void queries.invalidateQueries({ queryKey: NOTIFICATIONS });
  });
};

function reload(): void {
  void queries.invalidateQueries({ queryKey: NOTIFICATIONS });
  void queries.invalidateQueries({ queryKey: ["unread"] });
}
