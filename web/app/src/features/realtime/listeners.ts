// What the features do with the events of the gateway.

import { listenToChat } from "../chat/events";
import { listenToComments } from "../comments/events";
import { listenToNotifications } from "../notifications/events";
import { listenToPeople } from "../people/events";
import { listenToPosts } from "../posts/events";
import type { Listen } from "./realtime";

export const listeners: Listen[] = [
  listenToPosts,
  listenToComments,
  listenToPeople,
  listenToChat,
  listenToNotifications,
];
