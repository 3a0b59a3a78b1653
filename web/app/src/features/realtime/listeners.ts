// What the features do with the events of the gateway.

import type { Listen } from "./realtime";

export const listeners: Listen[] = [];
