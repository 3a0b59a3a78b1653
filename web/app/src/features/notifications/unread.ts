import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { blegram } from "../../site";
import { setUnread } from "../../ui/title";
import { useMe } from "../session/session";

export const UNREAD = ["unread"] as const;

/** How many notifications and conversations are unread; events keep it current. */
export function useUnread() {
  const me = useMe();
  const { data } = useQuery({
    queryKey: UNREAD,
    queryFn: ({ signal }) => blegram.notifications.getUnreadCount({ signal }),
    enabled: Boolean(me),
  });
  const unread = (me && data) || { notifications: 0, messages: 0 };
  const sum = unread.notifications + unread.messages;
  useEffect(() => setUnread(sum), [sum]);
  return unread;
}
