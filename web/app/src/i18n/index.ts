// The texts of the app. They are in `<language>/<area>.json`, and an area is loaded when something of it is shown.
//
// A text has variables (`{name}`). One that depends on a number has a key for each form of the plural (CLDR: `_one`, `_other`)
// and the variable `{count}`. `scripts/texts.mjs` checks that all languages have the same keys and variables.

import { createElement, Fragment, type ReactNode, use } from "react";
import type account from "./en/account.json";
import type admin from "./en/admin.json";
import type chat from "./en/chat.json";
import type common from "./en/common.json";
import type compose from "./en/compose.json";
import type discovery from "./en/discovery.json";
import type notifications from "./en/notifications.json";
import type people from "./en/people.json";
import type posts from "./en/posts.json";
import type problems from "./en/problems.json";
import type reports from "./en/reports.json";
import type settings from "./en/settings.json";
import { timeAgoIn } from "./time-ago";

export const LANGUAGES = { ko: "한국어", en: "English" } as const;
export type Language = keyof typeof LANGUAGES;

/** The areas, by their English files. */
interface Areas {
  account: typeof account;
  admin: typeof admin;
  chat: typeof chat;
  common: typeof common;
  compose: typeof compose;
  discovery: typeof discovery;
  notifications: typeof notifications;
  people: typeof people;
  posts: typeof posts;
  problems: typeof problems;
  reports: typeof reports;
  settings: typeof settings;
}
export type Area = keyof Areas;

/** The keys of an area, without the forms of the plural. */
type Key<A extends Area> = keyof Areas[A] extends infer K
  ? K extends `${infer Stem}_${"one" | "other"}`
    ? Stem
    : K
  : never;
export type Texts<A extends Area> = {
  (key: Key<A> & string, values?: Record<string, string | number>): string;
  /** A text whose variables are elements, such as links. */
  rich(key: Key<A> & string, values: Record<string, ReactNode>): ReactNode;
};

/** Where the choice is stored. */
export const LANGUAGE_CHOICE = "blegram-language";

/** The language that the user has chosen on this device, otherwise the first one of the browser that there is. */
function preferred(): Language {
  let chosen: string | null = null;
  try {
    chosen = localStorage.getItem(LANGUAGE_CHOICE);
  } catch {
    // Storage is blocked.
  }
  const wanted = [chosen, ...navigator.languages].map((language) => language?.split("-")[0]);
  return wanted.find((language): language is Language => language !== undefined && language in LANGUAGES) ?? "en";
}

export const language: Language = preferred();
document.documentElement.lang = language;

/** Shows the app in another language. */
export function chooseLanguage(chosen: Language): void {
  try {
    localStorage.setItem(LANGUAGE_CHOICE, chosen);
  } catch {
    // Then it is for the next pages only if the browser prefers it.
  }
  location.reload();
}

const files = import.meta.glob<Record<string, string>>("./*/*.json", { import: "default" });
const loading = new Map<Area, Promise<Texts<Area>>>();
const plurals = new Intl.PluralRules(language);

/** Loads the texts of an area. A route does it together with its code. */
export function loadTexts(area: Area): Promise<Texts<Area>> {
  const known = loading.get(area);
  if (known) return known;
  const promise = Promise.resolve(files[`./${language}/${area}.json`]?.()).then((texts) => textsOf(texts ?? {}));
  loading.set(area, promise);
  promise.then(
    // As React marks a promise: what is loaded is rendered at once.
    (value) => Object.assign(promise, { status: "fulfilled", value }),
    // Not at once, so that what waits for it shows the failure; who tries again later loads it again.
    () => setTimeout(() => loading.delete(area), 1000),
  );
  return promise;
}

/** The texts of an area; waits until they are loaded. */
export function useTexts<A extends Area>(area: A): Texts<A> {
  // In every render: React renders a component again that has waited, and takes a call that is missing then for an error.
  return use(loadTexts(area)) as unknown as Texts<A>;
}

function textsOf(texts: Record<string, string>): Texts<Area> {
  const find = (key: string, count: unknown) =>
    texts[key] ??
    (typeof count === "number" ? texts[`${key}_${plurals.select(count)}`] : undefined) ??
    texts[`${key}_other`] ??
    key;
  const text = (key: string, values: Record<string, string | number> = {}) =>
    find(key, values["count"]).replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name] ?? "";
      return typeof value === "number" ? value.toLocaleString(language) : value;
    });
  const rich = (key: string, values: Record<string, ReactNode>) => {
    const parts = find(key, values["count"]).split(/\{(\w+)\}/);
    return parts.map((part, index) => createElement(Fragment, { key: index }, index % 2 ? values[part] : part));
  };
  return Object.assign(text, { rich });
}

// Numbers and times, as the language writes them.

const compact = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
export const shortNumber = (count: number) => compact.format(count);

const exact = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });
export const fullTime = (at: string | number | Date) => exact.format(new Date(at));

/** How long ago something was, or the date if that is a week or more. */
export const timeAgo = timeAgoIn(language);
