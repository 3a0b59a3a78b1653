import type { MediaUsage } from "@blegram/client";
import { useSuspenseQuery } from "@tanstack/react-query";
import { language, useTexts } from "../../i18n";
import { blegram } from "../../site";
import { Lead, Part } from "./parts";
import styles from "./storage.module.css";

/** How much the images of the account take. */
export default function Storage() {
  const t = useTexts("settings");
  const { data } = useSuspenseQuery({
    queryKey: ["media", "usage"],
    queryFn: ({ signal }) => blegram.media.getUsage({ signal }),
    staleTime: 0,
  });
  return (
    <>
      <Usage title={t("storage_all")} usage={data.media} />
      <Usage title={t("storage_unattached")} lead={t("storage_unattached_more")} usage={data.unattached_media} />
    </>
  );
}

function Usage({ title, lead, usage }: { title: string; lead?: string; usage: MediaUsage }) {
  const t = useTexts("settings");
  const { bytes, max_bytes: maxBytes, files, max_files: maxFiles } = usage;
  const sizes = t("storage_bytes", { used: size(bytes), max: size(maxBytes) });
  const counts = t("storage_files", { used: files, max: maxFiles });
  return (
    <Part title={title}>
      {lead && <Lead>{lead}</Lead>}
      <p>{sizes}</p>
      <progress className={styles.bar} max={maxBytes} value={bytes} aria-label={`${title}: ${sizes}`} />
      <p className={styles.files}>{counts}</p>
      <progress className={styles.bar} max={maxFiles} value={files} aria-label={`${title}: ${counts}`} />
    </Part>
  );
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

/** A number of bytes with the unit that people use. */
function size(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1024))));
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: UNITS[power] ?? "byte",
    unitDisplay: "narrow",
    maximumFractionDigits: 1,
  }).format(bytes / 1024 ** power);
}
