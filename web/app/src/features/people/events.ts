// What the gateway says about follows. They are notifications, so what was missed is read again after a reconnect.

import type { Notification } from "@blegram/client";
import { queries } from "../../query";
import { postsKey } from "../posts/cache";
import type { Listen } from "../realtime/realtime";
import { REQUESTS, userKey, usersKey } from "./cache";
import { changeViewer, refreshMe } from "./relations";

const refresh = (queryKey: readonly unknown[]) => void queries.invalidateQueries({ queryKey });

export const listenToPeople: Listen = (gateway) => {
  const on: Record<string, (actor: NonNullable<Notification["actor"]>) => void> = {
    follow: (actor) => {
      changeViewer(actor.id, { followed_by: true });
      refreshMe();
    },
    follow_request: () => refresh(REQUESTS),
    follow_accepted: (actor) => {
      changeViewer(actor.id, { following: true, requested: false });
      refresh(userKey(actor.username));
      // They were closed until now.
      refresh(postsKey("user", actor.id));
      refresh(usersKey("followers", actor.id));
      refresh(usersKey("following", actor.id));
      refreshMe();
    },
  };
  gateway.on("notification.created", ({ notification: { type, actor } }) => {
    if (actor) on[type]?.(actor);
  });
  // A request was withdrawn, or sent again within an hour: the events do not say which one.
  gateway.on("notification.deleted", () => refresh(REQUESTS));
  gateway.on("notification.state", () => refresh(REQUESTS));

  let isFirst = true;
  gateway.on("synced", () => {
    if (!isFirst) for (const key of [REQUESTS, ["user"]]) refresh(key);
    isFirst = false;
  });
};
