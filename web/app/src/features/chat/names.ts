// How conversations and messages are called.

import type { Conversation, Message, UserSummary } from "@blegram/client";
import { type Texts, useTexts } from "../../i18n";

/** The other member of a direct conversation; `undefined` if the account was deleted. */
export function partnerOf({ kind, members }: Conversation, me: string): UserSummary | undefined {
  return kind === "direct" ? members.find(({ id }) => id !== me) : undefined;
}

const NAMED = 4;

/** The title of a conversation: that of a group, or who its other members are. */
export function nameOf(conversation: Conversation, me: string, t: Texts<"chat">): string {
  const { kind, title, members } = conversation;
  if (title) return title;
  const others = members.filter(({ id }) => id !== me).map(({ display_name }) => display_name);
  if (others.length === 0) return t(kind === "direct" ? "deleted_account" : "empty_group");
  const names = others.slice(0, NAMED).join(", ");
  return others.length > NAMED ? `${names} …` : names;
}

/** A message in one line. */
export function summaryOf({ text, media, is_deleted }: Message, t: Texts<"chat">): string {
  if (is_deleted) return t("deleted_message");
  return text?.replace(/\s+/g, " ").trim() || t("images", { count: media.length });
}

/** Names of members, by id. Those who have left are unknown. */
export function useMemberName({ members }: Conversation): (id: string) => string {
  const t = useTexts("chat");
  return (id) => members.find((member) => member.id === id)?.display_name ?? t("deleted_account");
}
