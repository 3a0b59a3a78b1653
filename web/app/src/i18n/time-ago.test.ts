import { expect, test } from "vitest";
import { timeAgoIn } from "./time-ago";

const NOW = new Date(2026, 10, 30, 2, 0).getTime();
const HOUR = 3_600_000;
const ago = (hours: number, language = "en") => timeAgoIn(language)(NOW - hours * HOUR, NOW);

test("the last day is in minutes and hours, the last week in days of the calendar, and the rest are dates", () => {
  expect([ago(-5), ago(0.01), ago(0.5), ago(3), ago(23)]).toEqual([
    "now",
    "now",
    "30 min. ago",
    "3 hr. ago",
    "23 hr. ago",
  ]);
  // Two nights ago, though less than two times 24 hours.
  expect([ago(25), ago(27), ago(6 * 24), ago(7 * 24)]).toEqual(["yesterday", "2 days ago", "6 days ago", "Nov 23"]);
  expect(ago(400 * 24)).toBe("Oct 26, 2025");
});

test("languages have words of their own", () => {
  expect([ago(0, "ko"), ago(27, "ko"), ago(7 * 24, "ko")]).toEqual(["지금", "그저께", "11월 23일"]);
});
