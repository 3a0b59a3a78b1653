// The topics of the gateway that the screen shows. A list has one, and so has each post on the screen, for its counts.

import type { Gateway } from "@blegram/client/gateway";
import { useEffect } from "react";
import { useGateway } from "../realtime/realtime";
import { postsKey } from "./cache";

/** Who scrolls does not subscribe to what passes by. */
const SETTLE = 400;

const shown = new Map<string, number>();
const subscribed = new WeakMap<Gateway, Set<string>>();
let timer: ReturnType<typeof setTimeout> | undefined;

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
  timer = setTimeout(() => {
    const now = new Set(shown.keys());
    const before = subscribed.get(gateway) ?? new Set();
    const added = [...now].filter((topic) => !before.has(topic));
    const left = [...before].filter((topic) => !now.has(topic));
    if (left.length > 0) gateway.unsubscribe(...left);
    if (added.length > 0) gateway.subscribe(...added);
    subscribed.set(gateway, now);
  }, SETTLE);
}

const TIMELINES = ["home", "public"];
const NAMES: Record<string, string> = { tag: "hashtag", user: "user" };

/** The topic of a list of posts by its key: those that are sorted by time have one. */
export function topicOf([, list, of, ...more]: readonly unknown[]): string | undefined {
  if (typeof list !== "string" || more.length > 0) return undefined;
  if (TIMELINES.includes(list) && of === undefined) return `timeline:${list}`;
  const name = NAMES[list];
  return name && typeof of === "string" ? `${name}:${of}` : undefined;
}

/** The key of the list with a topic. */
export function listOf(topic: string): readonly unknown[] | undefined {
  const colon = topic.indexOf(":");
  const [name, of] = [topic.slice(0, colon), topic.slice(colon + 1)];
  if (name === "timeline") return postsKey(of);
  const [list] = Object.entries(NAMES).find(([, known]) => known === name) ?? [];
  return list ? postsKey(list, of) : undefined;
}
