// The topics of the gateway that the screen shows. A list has one, and so has each post on the screen, for its counts.

import type { Gateway } from "@blegram/client/gateway";
import { useEffect } from "react";
import { useGateway } from "../realtime/realtime";

/** Who scrolls does not subscribe to what passes by; what is opened at rest is subscribed to at once. */
const SETTLE = 400;

const shown = new Map<string, number>();
const subscribed = new WeakMap<Gateway, Set<string>>();
let timer: ReturnType<typeof setTimeout> | undefined;
let changedAt = 0;

/** Subscribes to a topic while the component is shown. */
export function useTopic(topic: string | undefined): void {
  const gateway = useGateway();
  useEffect(() => {
    if (!topic || !gateway) return;
    shown.set(topic, (shown.get(topic) ?? 0) + 1);
    settle(gateway);
    return () => {
      const left = (shown.get(topic) ?? 1) - 1;
      if (left > 0) shown.set(topic, left);
      else shown.delete(topic);
      settle(gateway);
    };
  }, [gateway, topic]);
}

function settle(gateway: Gateway): void {
  clearTimeout(timer);
  const now = performance.now();
  const delay = now - changedAt > SETTLE ? 0 : SETTLE;
  changedAt = now;
  timer = setTimeout(() => {
    const topics = new Set(shown.keys());
    const before = subscribed.get(gateway) ?? new Set();
    const added = [...topics].filter((topic) => !before.has(topic));
    const left = [...before].filter((topic) => !topics.has(topic));
    if (left.length > 0) gateway.unsubscribe(...left);
    if (added.length > 0) gateway.subscribe(...added);
    subscribed.set(gateway, topics);
  }, delay);
}
