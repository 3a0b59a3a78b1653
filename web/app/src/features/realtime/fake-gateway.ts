import type { Account } from "@blegram/client";
import type { Gateway, GatewayEvents } from "@blegram/client/gateway";
import type { Listen } from "./realtime";

/** A gateway for tests of `events.ts`: what it emits is heard by the listeners of a feature. */
export function fakeGateway(listen: Listen, me: string) {
  const listeners = new Map<string, ((data: unknown) => void)[]>();
  const gateway = {
    on(name: string, listener: (data: unknown) => void) {
      listeners.set(name, [...(listeners.get(name) ?? []), listener]);
      return () => {};
    },
  };
  listen(gateway as unknown as Gateway, { id: me } as Account);
  /** Emits an event with the fields that its listeners read. */
  return <Name extends keyof GatewayEvents>(name: Name, data: Partial<GatewayEvents[Name]>) => {
    for (const listener of listeners.get(name) ?? []) listener(data);
  };
}
