// The connection to the gateway, and the one place where its events change what the app shows.
//
// Each feature has an `events.ts`: a function that is called with the gateway when it is opened and registers what the events
// of its noun do to the query cache. Components never listen to the gateway for state; they read the cache.

import type { Account } from "@blegram/client";
import type { Gateway } from "@blegram/client/gateway";
import { useEffect, useSyncExternalStore } from "react";
import { ME, queries } from "../../query";
import { blegram } from "../../site";
import { useMe } from "../session/session";

/** Registers what the events of a feature do. */
export type Listen = (gateway: Gateway, me: Account) => void;

interface Live {
  gateway: Gateway | undefined;
  /** Whether the gateway is connected; `undefined` until the first attempt has ended. */
  isConnected: boolean | undefined;
}

let live: Live = { gateway: undefined, isConnected: undefined };
let owner: string | undefined;
const listeners = new Set<() => void>();

function change(next: Partial<Live>): void {
  live = { ...live, ...next };
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** The gateway of the account that is logged in; `undefined` until its code is loaded. */
export const useGateway = () => useSyncExternalStore(subscribe, () => live.gateway);

/** Whether the app is connected; `undefined` until that is known. */
export const useIsConnected = () => useSyncExternalStore(subscribe, () => live.isConnected);

/** Opens the gateway for an account, and closes that of the previous one. Call it with `null` after a logout. */
export async function connect(me: Account | null): Promise<void> {
  if (owner === me?.id) return;
  owner = me?.id;
  live.gateway?.close();
  change({ gateway: undefined, isConnected: undefined });
  if (!me) return;
  const [{ openGateway }, { listeners: features }] = await Promise.all([
    import("@blegram/client/gateway"),
    import("./listeners"),
  ]);
  if (owner !== me.id) return;
  const gateway = openGateway(blegram, { userId: me.id, followAll: true });
  gateway.on("connected", () => change({ isConnected: true }));
  gateway.on("disconnected", () => change({ isConnected: false }));
  gateway.on("stopped", ({ sessionEnded }) => {
    change({ isConnected: false });
    if (sessionEnded) void reconnect(me);
  });
  for (const listen of features) listen(gateway, me);
  change({ gateway });
}

/** Milliseconds until a session that was replaced is no longer that of the browser. */
const REPLACED = 1000;

/** The session of the gateway has ended. If the account has another one by now, such as after a login in another tab, connects with it. */
async function reconnect(me: Account): Promise<void> {
  // The response with the new cookie may still be on its way to the browser.
  await new Promise((resolve) => setTimeout(resolve, REPLACED));
  await queries.invalidateQueries({ queryKey: ME });
  const now = queries.getQueryData<Account | null>(ME);
  if (owner !== me.id || now?.id !== me.id) return;
  owner = undefined;
  await connect(now);
}

/** Connects as the account that is logged in. */
export function useRealtime(): void {
  const me = useMe();
  useEffect(() => {
    connect(me).catch(() => {
      // Its code could not be loaded: the next attempt is a reload, or the next login.
      owner = undefined;
    });
  }, [me]);
}
