import type { Conversation, Message } from "@blegram/client";
import { CheckCheck, Copy, Flag, Pencil, Reply, Undo2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useTexts } from "../../i18n";
import { Confirm } from "../../ui/dialog";
import { Menu } from "../../ui/menu";
import { toast } from "../../ui/toast";
import { ReadBy } from "./read-by";
import { useUnsend } from "./writes";

const ReportDialog = lazy(() => import("../reports/report-dialog"));

interface MessageMenuProps {
  message: Message;
  conversation: Conversation;
  isMine: boolean;
  onReply: (message: Message) => void;
  onEdit: (message: Message) => void;
}

/** What can be done with a message. */
export function MessageMenu({ message, conversation, isMine, onReply, onEdit }: MessageMenuProps) {
  const t = useTexts("chat");
  const [asked, setAsked] = useState<"unsend" | "report" | "readers">();
  const unsend = useUnsend();
  const close = () => setAsked(undefined);
  const { text } = message;
  const copy = () =>
    navigator.clipboard?.writeText(text ?? "").then(
      () => toast(t("copied")),
      () => toast(t("not_copied")),
    ) ?? toast(t("not_copied"));
  return (
    <>
      <Menu
        label={t("message_actions")}
        items={[
          { label: t("reply"), icon: Reply, onSelect: () => onReply(message) },
          text ? { label: t("copy"), icon: Copy, onSelect: () => void copy() } : undefined,
          isMine && text ? { label: t("editing"), icon: Pencil, onSelect: () => onEdit(message) } : undefined,
          conversation.kind !== "direct" && {
            label: t("read_by"),
            icon: CheckCheck,
            onSelect: () => setAsked("readers"),
          },
          isMine && { label: t("unsend"), icon: Undo2, danger: true, onSelect: () => setAsked("unsend") },
          !isMine && { label: t("report"), icon: Flag, danger: true, onSelect: () => setAsked("report") },
        ]}
      />
      {asked === "readers" && <ReadBy message={message} conversation={conversation} onClose={close} />}
      {asked === "unsend" && (
        <Confirm
          title={t("unsend_title")}
          action={t("unsend")}
          onClose={close}
          onConfirm={() => {
            close();
            unsend.mutate(message);
          }}
        >
          {t("unsend_more")}
        </Confirm>
      )}
      {asked === "report" && (
        <Suspense>
          <ReportDialog
            subject={{ type: "message", id: message.id, ...(message.sender && { author: message.sender }) }}
            onClose={close}
          />
        </Suspense>
      )}
    </>
  );
}
