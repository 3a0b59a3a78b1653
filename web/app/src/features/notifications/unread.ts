import type { UnreadCount } from "@blegram/client";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { queries } from "../../query";
import { blegram } from "../../site";
import { setUnread } from "../../ui/title";
import { useMe } from "../session/session";

export const UNREAD = ["unread"] as const;

/** How many notifications and messages are unread; events keep it current. */
export function useUnread() {
  const me = useMe();
  const { data } = useQuery({
    queryKey: UNREAD,
    queryFn: ({ signal }) => blegram.notifications.getUnreadCount({ signal }),
    enabled: Boolean(me),
  });
  const unread = (me && data) || { notifications: 0, messages: 0 };
  const sum = unread.notifications + unread.messages;
  useEffect(() => {
    setUnread(sum);
    // It is of no use to the first page if nothing is unread.
    if (sum > 0 || isMarked) void import("./favicon").then(({ markFavicon }) => markFavicon(sum));
    isMarked ||= sum > 0;
  }, [sum]);
  return unread;
}

let isMarked = false;

/** Changes the counts; while they are being read, they are read again, because the change may be counted already, or not. */
export function changeUnread(change: (counts: UnreadCount) => UnreadCount): void {
  if (queries.getQueryState(UNREAD)?.fetchStatus === "fetching") return void reloadUnread();
  queries.setQueryData<UnreadCount>(UNREAD, (counts) => counts && change(counts));
}

export const reloadUnread = () => queries.invalidateQueries({ queryKey: UNREAD });
