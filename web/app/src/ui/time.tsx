import { fullTime, timeAgo } from "../i18n";

/** How long ago something was; the tooltip has the exact time. */
export function Time({ at, className }: { at: string; className?: string }) {
  return (
    <time dateTime={at} title={fullTime(at)} className={className ?? "faint"}>
      {timeAgo(at)}
    </time>
  );
}
