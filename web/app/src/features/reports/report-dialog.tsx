import type { CreateReport, UserSummary } from "@blegram/client";
import { useMutation } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useTexts } from "../../i18n";
import { blegram } from "../../site";
import { ReportForm } from "./report-form";
import { ReportSent } from "./report-sent";

const BlockDialog = lazy(() => import("../people/block-dialog"));

/** What is reported. `author` is known to the dialog only if it is passed, or if the subject has an address of its own. */
export interface ReportSubject {
  type: "post" | "comment" | "user" | "message";
  id: string;
  author?: UserSummary;
}

interface ReportDialogProps {
  subject: ReportSubject;
  onClose: () => void;
}

/** Reports something to the moderators, then offers not to see its author any more. */
export default function ReportDialog({ subject, onClose }: ReportDialogProps) {
  const t = useTexts("reports");
  const [blocked, setBlocked] = useState<UserSummary>();
  const report = useMutation({
    mutationFn: ({ reason, note }: Pick<CreateReport, "reason"> & { note: string }) =>
      blegram.reports.create({ [`${subject.type}_id`]: subject.id, reason, ...(note ? { note } : {}) }),
  });
  if (blocked)
    return (
      <Suspense>
        <BlockDialog user={blocked} onClose={onClose} />
      </Suspense>
    );
  if (report.isSuccess) return <ReportSent subject={subject} onBlock={setBlocked} onClose={onClose} />;
  return (
    <ReportForm
      title={t(`title_${subject.type}`)}
      error={report.error}
      isSending={report.isPending}
      onSend={(reason, note) => report.mutate({ reason, note })}
      onClose={onClose}
    />
  );
}
