// What the tests of conversations share: a site, a browser, and people who write to each other.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { uuid7 } from "../../packages/client/src/environment.js";
import { member, PHONE, startBrowser, startSite } from "./harness.js";

export let site: Awaited<ReturnType<typeof startSite>>;
export let browser: Browser;
beforeAll(async () => {
  // Devices report what they have received with each heartbeat.
  [site, browser] = await Promise.all([startSite({ BLEGRAM_GATEWAY__HEARTBEAT_SECONDS: "1" }), startBrowser()]);
});
/** The server was killed. */
let isDown = false;
export const crash = async () => {
  isDown = true;
  await site.kill("SIGKILL");
};
export const revive = async () => {
  if (isDown) await site.restart();
  isDown = false;
};
// Also if the test before has failed.
beforeEach(revive);
afterAll(async () => {
  await browser?.close();
  await site?.stop();
});

export type Person = Awaited<ReturnType<typeof member>>;
export const KOREAN_PHONE = { ...PHONE, locale: "ko-KR", colorScheme: "dark" } as const;

/** Calls the API as a person. */
export async function api<T>(
  { page }: Person,
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  data?: object,
): Promise<T> {
  const response = await page.request.fetch(`/api/v1${path}`, {
    method,
    headers: { Origin: site.url },
    ...(data && { data }),
  });
  if (!response.ok()) throw new Error(await response.text());
  return (response.status() === 204 ? undefined : await response.json()) as T;
}

export const start = (one: Person, ...others: Person[]) =>
  api<{ id: string }>(one, "POST", "/conversations", {
    members: others.map(({ username }) => `@${username}`),
    ...(others.length > 1 && { title: "Walkers" }),
  });

export const until = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });

let ids = 0;
export const send = (person: Person, conversation: string, text: string, more: object = {}) =>
  api<{ id: string }>(person, "POST", `/conversations/${conversation}/messages`, {
    client_id: uuid7({ now: () => Date.now() + ids++, random: Math.random } as never),
    text,
    ...more,
  });

export const log = (page: Page) => page.getByRole("log");
export const field = (page: Page) => page.getByRole("textbox", { name: /^(Message|메시지)$/ });
export const bubble = (page: Page, text: string | RegExp) => log(page).getByRole("article").filter({ hasText: text });
/** What the log shows of some texts, in its order. */
export const found = async (page: Page, texts: string[]) =>
  ((await log(page).textContent()) ?? "").match(new RegExp(texts.join("|"), "g")) ?? [];

/** Chooses from the menu of a message. */
export async function choose(page: Page, text: string, item: string | RegExp): Promise<void> {
  const row = bubble(page, text).first();
  await row.hover();
  await row.getByRole("button", { name: /Actions|메뉴/ }).click();
  await row.getByRole("menuitem", { name: item }).click();
}

/** Two people with a conversation that both have open. */
export async function pair(more = {}) {
  const ann = await member(browser, site, "ann");
  const bob = await member(browser, site, "bob", { ...KOREAN_PHONE, ...more });
  const { id } = await start(ann, bob);
  await send(ann, id, "안녕하세요");
  await Promise.all([ann, bob].map(({ page }) => page.goto(`/messages/${id}`)));
  await Promise.all([ann, bob].map(({ page }) => bubble(page, "안녕하세요").waitFor()));
  return { ann, bob, id };
}
