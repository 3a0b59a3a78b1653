// Who is typing. The server reports it for the conversations that are open.

import { skipToken, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { queries } from "../../query";
import { useGateway } from "../realtime/realtime";

const typingKey = (conversation: string) => ["typing", conversation] as const;

/** It is reported again every three seconds. */
const EXPIRES_AFTER = 6000;
const timers = new Map<string, ReturnType<typeof setTimeout>>();

export function noteTyping(conversation: string, user: string): void {
  const key = `${conversation} ${user}`;
  clearTimeout(timers.get(key));
  timers.set(
    key,
    setTimeout(() => stopTyping(conversation, user), EXPIRES_AFTER),
  );
  queries.setQueryData<string[]>(typingKey(conversation), (users = []) =>
    users.includes(user) ? users : [...users, user],
  );
}

/** The message is there, or nothing was heard for a while. */
export function stopTyping(conversation: string, user: string): void {
  const key = `${conversation} ${user}`;
  clearTimeout(timers.get(key));
  timers.delete(key);
  queries.setQueryData<string[]>(typingKey(conversation), (users) => users?.filter((other) => other !== user));
}

/** The users who are typing. */
export function useTyping(conversation: string): string[] {
  return useQuery<string[]>({ queryKey: typingKey(conversation), queryFn: skipToken }).data ?? [];
}

/** As many as the server allows. */
const MOST = 16;

/** Opens conversations, most important first, as long as the component is shown. Only one component of a page can do so. */
export function useOpen(conversations: string[]): void {
  const gateway = useGateway();
  const open = [...new Set(conversations)].slice(0, MOST).sort().join();
  useEffect(() => gateway?.open(open ? open.split(",") : []), [gateway, open]);
  useEffect(() => () => gateway?.open([]), [gateway]);
}
