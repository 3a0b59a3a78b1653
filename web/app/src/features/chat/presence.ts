// Who is online. The server reports it for the users that a page watches.

import type { PresenceEvent } from "@blegram/client";
import { skipToken, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { queries } from "../../query";
import { useGateway } from "../realtime/realtime";

const presenceKey = (user: string | undefined) => ["presence", user] as const;

export const setPresence = (presence: PresenceEvent) =>
  queries.setQueryData<PresenceEvent>(presenceKey(presence.user_id), presence);

/** The presence of a user who is watched; `undefined` until it is known. */
export function usePresence(user: string | undefined): PresenceEvent | undefined {
  return useQuery<PresenceEvent>({ queryKey: presenceKey(user), queryFn: skipToken }).data;
}

/** As many as the server allows. */
const MOST = 100;

/** Watches the presence of users as long as the component is shown. Only one component of a page can do so. */
export function useWatch(users: string[]): void {
  const gateway = useGateway();
  const watched = [...new Set(users)].slice(0, MOST).sort().join();
  useEffect(() => gateway?.watch(watched ? watched.split(",") : []), [gateway, watched]);
  useEffect(() => () => gateway?.watch([]), [gateway]);
}
