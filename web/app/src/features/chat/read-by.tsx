import type { Conversation, Message } from "@blegram/client";
import { useTexts } from "../../i18n";
import { Dialog } from "../../ui/dialog";
import { UserRow } from "../people/user-row";
import { readersOf } from "./status";

interface ReadByProps {
  message: Message;
  conversation: Conversation;
  onClose: () => void;
}

/** Who has read a message. */
export function ReadBy({ message, conversation, onClose }: ReadByProps) {
  const t = useTexts("chat");
  const readers = new Set(readersOf(message, conversation).map(({ user_id }) => user_id));
  const members = conversation.members.filter(({ id }) => readers.has(id));
  return (
    <Dialog title={t("read_by")} onClose={onClose}>
      {members.length === 0 && <p className="faint">{t("read_by_none")}</p>}
      <ul>
        {members.map((user) => (
          <li key={user.id}>
            <UserRow user={user} />
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
