export default function ReportDialog(_: { subject: unknown; onClose: () => void }) {
  return null;
}
