// What the features do with the events of the gateway.

import { listenToComments } from "../comments/events";
import { listenToPeople } from "../people/events";
import { listenToPosts } from "../posts/events";
import type { Listen } from "./realtime";

export const listeners: Listen[] = [listenToPosts, listenToComments, listenToPeople];
