import type { UserSummary } from "@blegram/client";
import { useQuery } from "@tanstack/react-query";
import { CircleCheck } from "lucide-react";
import { useEffect, useRef } from "react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { useMuteAction } from "../people/mute-action";
import type { ReportSubject } from "./report-dialog";
import styles from "./report-dialog.module.css";

interface ReportSentProps {
  subject: ReportSubject;
  onBlock: (author: UserSummary) => void;
  onClose: () => void;
}

/** What happens to a report, and what else the user can do. */
export function ReportSent({ subject, onBlock, onClose }: ReportSentProps) {
  const t = useTexts("reports");
  const common = useTexts("common");
  const author = useAuthor(subject);
  const text = useRef<HTMLDivElement>(null);
  // The button that was pressed has left.
  useEffect(() => text.current?.focus(), []);
  return (
    <Dialog
      title={t("sent")}
      onClose={onClose}
      actions={
        <Button kind="primary" onClick={onClose}>
          {common("done")}
        </Button>
      }
    >
      <div ref={text} tabIndex={-1} className={styles.sent}>
        <CircleCheck size={40} strokeWidth={1.25} aria-hidden />
        <p>{t("sent_more")}</p>
      </div>
      {author && <Measures author={author} onBlock={() => onBlock(author)} onClose={onClose} />}
    </Dialog>
  );
}

function Measures({ author, onBlock, onClose }: { author: UserSummary; onBlock: () => void; onClose: () => void }) {
  const t = useTexts("reports");
  const setMuted = useMuteAction(author);
  const name = author.display_name;
  return (
    <div className={styles.measures}>
      <p>{t("not_see", { name })}</p>
      <Button
        wide
        onClick={() => {
          void setMuted(true);
          onClose();
        }}
      >
        {t("mute", { name })}
      </Button>
      <Button wide kind="danger" onClick={onBlock}>
        {t("block", { name })}
      </Button>
    </div>
  );
}

/** Who has written what was reported; `undefined` until it is known, and for a message whose author was not passed. */
function useAuthor({ type, id, author }: ReportSubject): UserSummary | undefined {
  const { data } = useQuery({
    queryKey: ["report-author", type, id],
    queryFn: async ({ signal }): Promise<UserSummary | null> => {
      if (type === "user") return blegram.users.get(id, { signal });
      if (type === "post") return (await blegram.posts.get(id, { signal })).author;
      if (type === "comment") return (await blegram.comments.get(id, { signal })).author;
      return null;
    },
    enabled: !author,
  });
  return author ?? data ?? undefined;
}
