// Placeholder: the dialog of the area "people" replaces it at the merge.

import { useTexts } from "../../i18n";
import { Dialog } from "../../ui/dialog";

interface ReportDialogProps {
  subject: { type: "post" | "comment" | "user" | "message"; id: string };
  onClose: () => void;
}

export default function ReportDialog({ onClose }: ReportDialogProps) {
  const t = useTexts("posts");
  return (
    <Dialog title={t("report")} onClose={onClose}>
      {null}
    </Dialog>
  );
}
