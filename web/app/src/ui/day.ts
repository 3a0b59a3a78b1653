// Days and times of the day, as the language writes them and where the device is.

import { language } from "../i18n";
import { dayOf } from "../i18n/day-of";

const clock = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const date = new Intl.DateTimeFormat(language, { month: "long", day: "numeric", weekday: "long" });
const dateOfYear = new Intl.DateTimeFormat(language, { year: "numeric", month: "long", day: "numeric" });

/** The time of the day. */
export const clockTime = (at: string) => clock.format(new Date(at));

/** "Today", "Yesterday", or the date. */
export function dayName(at: string, now = Date.now()): string {
  const days = dayOf(at) - dayOf(now);
  if (days === 0 || days === -1) {
    const name = relative.format(days, "day");
    return name.charAt(0).toLocaleUpperCase(language) + name.slice(1);
  }
  const time = new Date(at);
  return (time.getFullYear() === new Date(now).getFullYear() ? date : dateOfYear).format(time);
}
