import type { Conversation, UserSummary } from "@blegram/client";
import { LogOut, Trash2, UserMinus, UserPlus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTexts } from "../../i18n";
import { Button, IconButton } from "../../ui/button";
import { Confirm, Dialog } from "../../ui/dialog";
import { Field, Switch } from "../../ui/field";
import { UserRow } from "../people/user-row";
import { useInstance } from "../session/session";
import styles from "./conversation-details.module.css";
import { nameOf } from "./names";
import { PeoplePicker } from "./people-picker";
import { useAddMembers, useLeave, useMute, useRemoveMember, useRename } from "./writes";

interface DetailsProps {
  conversation: Conversation;
  me: string;
  onClose: () => void;
}

/** Who is in a conversation, and what the user can change about it. */
export default function ConversationDetails({ conversation, me, onClose }: DetailsProps) {
  const t = useTexts("chat");
  const { id, kind, is_muted } = conversation;
  const isGroup = kind === "group";
  const [asked, setAsked] = useState<"leave" | "add">();
  const mute = useMute(id);
  const leave = useLeave(id);

  if (asked === "add") return <AddMembers conversation={conversation} onClose={() => setAsked(undefined)} />;
  if (asked === "leave")
    return (
      <Confirm
        title={t(isGroup ? "leave_title" : "hide_title")}
        action={t(isGroup ? "leave" : "hide")}
        busy={leave.isPending}
        onConfirm={() => leave.mutate()}
        onClose={() => setAsked(undefined)}
      >
        {t(isGroup ? "leave_more" : "hide_more")}
      </Confirm>
    );
  return (
    <Dialog title={nameOf(conversation, me, t)} full onClose={onClose}>
      {isGroup && <Title conversation={conversation} />}
      <Switch
        label={t("mute")}
        hint={t("mute_hint")}
        checked={is_muted}
        disabled={mute.isPending}
        onChange={mute.mutate}
      />
      <h3 className={styles.heading}>{t("members", { count: conversation.members.length })}</h3>
      <Members conversation={conversation} me={me} />
      <div className={styles.actions}>
        {isGroup && (
          <Button icon={UserPlus} wide onClick={() => setAsked("add")}>
            {t("add_members")}
          </Button>
        )}
        <Button icon={isGroup ? LogOut : Trash2} kind="danger" wide onClick={() => setAsked("leave")}>
          {t(isGroup ? "leave" : "hide")}
        </Button>
      </div>
    </Dialog>
  );
}

function Title({ conversation: { id, title } }: { conversation: Conversation }) {
  const t = useTexts("chat");
  const { limits } = useInstance();
  const [typed, setTyped] = useState(title ?? "");
  const rename = useRename(id);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    rename.mutate(typed.trim() || null);
  };
  return (
    <form onSubmit={submit} className={styles.title}>
      <Field
        label={t("title")}
        maxLength={limits.conversation_title_max_chars}
        dir="auto"
        value={typed}
        onChange={({ target }) => setTyped(target.value)}
      />
      {typed.trim() !== (title ?? "") && (
        <Button type="submit" kind="primary" busy={rename.isPending}>
          {t("save_title")}
        </Button>
      )}
    </form>
  );
}

function Members({ conversation, me }: { conversation: Conversation; me: string }) {
  const t = useTexts("chat");
  const [leaving, setLeaving] = useState<UserSummary>();
  const remove = useRemoveMember(conversation.id);
  const isOwner = conversation.owner_id === me;
  return (
    <>
      <ul className={styles.members}>
        {conversation.members.map((user) => (
          <li key={user.id}>
            <UserRow
              user={user}
              note={user.id === conversation.owner_id ? `@${user.username} · ${t("owner")}` : undefined}
              action={
                isOwner &&
                user.id !== me && (
                  <IconButton
                    icon={UserMinus}
                    label={t("remove_member", { name: user.display_name })}
                    onClick={() => setLeaving(user)}
                  />
                )
              }
            />
          </li>
        ))}
      </ul>
      {leaving && (
        <Confirm
          title={t("remove_title", { name: leaving.display_name })}
          action={t("remove_member", { name: leaving.display_name })}
          busy={remove.isPending}
          onClose={() => setLeaving(undefined)}
          onConfirm={() => remove.mutate(leaving.id, { onSettled: () => setLeaving(undefined) })}
        />
      )}
    </>
  );
}

function AddMembers({ conversation, onClose }: { conversation: Conversation; onClose: () => void }) {
  const t = useTexts("chat");
  const { group_max_members: limit } = useInstance().limits;
  const [chosen, setChosen] = useState<UserSummary[]>([]);
  const add = useAddMembers(conversation.id);
  const room = limit - conversation.members.length;
  return (
    <Dialog
      title={t("add_members")}
      full
      onClose={onClose}
      actions={
        <Button
          kind="primary"
          disabled={chosen.length === 0}
          busy={add.isPending}
          onClick={() =>
            add.mutate(
              chosen.map(({ id }) => id),
              { onSuccess: onClose },
            )
          }
        >
          {t("add")}
        </Button>
      }
    >
      {room <= 0 ? (
        <p>{t("group_full", { limit })}</p>
      ) : (
        <PeoplePicker
          chosen={chosen}
          onChange={setChosen}
          except={conversation.members.map(({ id }) => id)}
          limit={room}
        />
      )}
    </Dialog>
  );
}
