import type { Gateway } from "@blegram/client/gateway";

/**
 * Calls `missed` with a topic when the server has confirmed a subscription to it, also after a reconnect: what has happened
 * before that is not sent, so what was loaded earlier may lack it.
 */
export function onSubscribed(gateway: Gateway, missed: (topic: string) => void): void {
  const confirmed = new Set<string>();
  gateway.on("connected", () => confirmed.clear());
  gateway.on("synced", ({ topics }) => {
    for (const topic of confirmed) if (!(topic in topics)) confirmed.delete(topic);
    for (const [topic, result] of Object.entries(topics)) {
      if (result !== "ok" || confirmed.has(topic)) continue;
      confirmed.add(topic);
      missed(topic);
    }
  });
}
