// Suggested accounts, as people find them.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Server } from "../../packages/client/test/e2e/server.js";
import { expectSound, member, PHONE, startBrowser, startSite, unique, visit } from "./harness.js";
import { main, post, write } from "./people.js";

let site: Server;
let browser: Browser;
/** Who is suggested. */
let author: { page: Page; username: string };
beforeAll(async () => {
  [site, browser] = await Promise.all([startSite(), startBrowser()]);
  author = await member(browser, site, "노을사진관");
  await post(site, author.page, "서울숲나들이 #노을");
});
// Pages that are done take no time from the next ones.
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));
afterAll(() => Promise.all([browser?.close(), site?.stop()]));

test("suggested accounts say who follows them, are followed in place, and do not come back when they are dismissed", async () => {
  const [ann, bob, cho, dan] = await Promise.all([
    member(browser, site, "ann", { ...PHONE, locale: "ko-KR" }),
    member(browser, site, "bob"),
    member(browser, site, "cho"),
    member(browser, site, "dan"),
  ]);
  await write(site, ann.page, "PUT", `/users/@${bob.username}/follow`);
  for (const { username } of [cho, dan, author]) await write(site, bob.page, "PUT", `/users/@${username}/follow`);
  await ann.page.goto("/explore");
  const list = main(ann.page).getByRole("region", { name: "추천 계정" });
  const card = list.getByRole("listitem").filter({ hasText: "bob님이 팔로우합니다" }).filter({ hasText: "cho" });
  await card.waitFor();
  await expectSound(ann.page);
  await card.getByRole("button", { name: "팔로우 cho" }).click();
  await card.getByRole("button", { name: "팔로잉 cho" }).waitFor();

  const dismiss = list.getByRole("button", { name: "노을사진관님 다시 추천하지 않기" });
  await dismiss.focus();
  const stored = ann.page.waitForResponse("**/dismissal");
  await ann.page.keyboard.press("Enter");
  await dismiss.waitFor({ state: "detached" });
  expect(await ann.page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toContain(
    "다시 추천하지 않기",
  );
  await stored;
  await ann.page.reload();
  await list.waitFor();
  expect(await dismiss.count()).toBe(0);
});

test("wide screens have suggestions beside every page, others do not load that", async () => {
  const { page } = await member(browser, site, unique("ann"), { viewport: { width: 1920, height: 1000 } });
  await page.goto("/search?q=노을");
  await page.getByRole("complementary").getByRole("region", { name: "Suggested for you" }).waitFor();
  await main(page).getByText("서울숲나들이").waitFor();
  await expectSound(page);
  await page.setViewportSize({ width: 1199, height: 1000 });
  await page.getByRole("complementary").waitFor({ state: "detached" });
  const narrow = await visit(browser, site, { viewport: { width: 1199, height: 800 } });
  const loaded: string[] = [];
  narrow.on("request", (request) => loaded.push(request.url()));
  await narrow.goto("/search?q=노을");
  await main(narrow).getByText("서울숲나들이").waitFor();
  expect(loaded.filter((url) => url.includes("/aside-"))).toEqual([]);
});
