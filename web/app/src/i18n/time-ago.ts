import { dayOf } from "./day-of";

/** How many days ago times are given as such, and not as a date. */
const WEEK = 7;

/**
 * Returns a function that says in a language how long ago something was, or the date if that is a week or more. Days are those of
 * the calendar. A clock that is wrong shows nothing in the future.
 */
export function timeAgoIn(language: string) {
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
  const day = new Intl.DateTimeFormat(language, { month: "short", day: "numeric" });
  const dayOfYear = new Intl.DateTimeFormat(language, { year: "numeric", month: "short", day: "numeric" });
  return (at: string | number, now = Date.now()): string => {
    const time = new Date(at);
    const minutes = Math.floor(Math.max(0, now - time.getTime()) / 60_000);
    // "now"; of a minute, some languages say "this minute".
    if (minutes < 1) return relative.format(0, "second");
    if (minutes < 60) return relative.format(-minutes, "minute");
    if (minutes < 24 * 60) return relative.format(-Math.floor(minutes / 60), "hour");
    const days = dayOf(now) - dayOf(time.getTime());
    if (days < WEEK) return relative.format(-days, "day");
    return (time.getFullYear() === new Date(now).getFullYear() ? day : dayOfYear).format(time);
  };
}
