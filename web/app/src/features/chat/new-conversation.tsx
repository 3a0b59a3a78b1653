import type { UserSummary } from "@blegram/client";
import { useState } from "react";
import { useTexts } from "../../i18n";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Field } from "../../ui/field";
import { useInstance } from "../session/session";
import { PeoplePicker } from "./people-picker";
import { useStartConversation } from "./writes";

/** Starts a conversation with one person, or a group. */
export default function NewConversation({ onClose }: { onClose: () => void }) {
  const t = useTexts("chat");
  const { limits } = useInstance();
  const [chosen, setChosen] = useState<UserSummary[]>([]);
  const [title, setTitle] = useState("");
  const start = useStartConversation();
  const isGroup = chosen.length > 1;
  const submit = () =>
    start.mutate(
      { members: chosen.map(({ id }) => id), ...(isGroup && title.trim() && { title: title.trim() }) },
      { onSuccess: onClose },
    );
  return (
    <Dialog
      title={t("new_chat")}
      full
      onClose={onClose}
      actions={
        <Button kind="primary" disabled={chosen.length === 0} busy={start.isPending} onClick={submit}>
          {t(isGroup ? "start_group_button" : "start")}
        </Button>
      }
    >
      {isGroup && (
        <Field
          label={t("title")}
          hint={t("title_hint")}
          maxLength={limits.conversation_title_max_chars}
          dir="auto"
          value={title}
          onChange={({ target }) => setTitle(target.value)}
        />
      )}
      {/* The user is a member, too. */}
      <PeoplePicker chosen={chosen} onChange={setChosen} limit={limits.group_max_members - 1} />
    </Dialog>
  );
}
