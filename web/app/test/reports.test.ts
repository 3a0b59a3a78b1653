// Reports, as people send them.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Server } from "../../packages/client/test/e2e/server.js";
import { DESK, expectSound, member, PASSWORD, PHONE, startBrowser, startSite, visit } from "./harness.js";

let site: Server;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([startSite(), startBrowser()]);
});
// Pages that are done take no time from the next ones.
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));
afterAll(() => Promise.all([browser?.close(), site?.stop()]));

/** Opens the dialog on the profile of a user. */
async function openDialog(page: Page, username: string, more: RegExp, item: string) {
  await page.goto(`/@${username}`);
  await page.getByRole("main").getByRole("button", { name: more }).click();
  await page.getByRole("menuitem", { name: item }).click();
  await page.getByRole("dialog").getByRole("radio").first().waitFor();
  return page.getByRole("dialog");
}

test("an account is reported by the keyboard, for any reason of the server, and muted then", async () => {
  const [ann, bob] = await Promise.all([member(browser, site, "ann", DESK), member(browser, site, "bob")]);
  const dialog = await openDialog(ann.page, bob.username, /^More about bob/, "Report");
  const document = await (await ann.page.request.get("/openapi.json")).json();
  const reasons = await dialog
    .getByRole("radio")
    .evaluateAll((all) => all.map((each) => (each as HTMLInputElement).value));
  expect(reasons.sort()).toEqual([...document.components.schemas.Reason.enum].sort());
  const send = dialog.getByRole("button", { name: "Send report" });
  expect(await send.isDisabled()).toBe(true);
  await expectSound(ann.page);

  await dialog.getByRole("radio", { name: /^Spam/ }).focus();
  await ann.page.keyboard.press("Space");
  await dialog.getByRole("textbox").fill("광고 👨‍👩‍👧‍👦");
  await dialog.getByText("4 / 1,000").waitFor();
  const sent = ann.page.waitForResponse("**/reports");
  await send.focus();
  await ann.page.keyboard.press("Enter");
  expect((await sent).status()).toBe(201);
  expect((await sent).request().postDataJSON()).toMatchObject({ reason: "spam", note: "광고 👨‍👩‍👧‍👦" });
  await dialog.getByText("The moderators will look at it", { exact: false }).waitFor();
  // What happened is read out: the focus is on it.
  expect(await ann.page.evaluate(() => globalThis.document.activeElement?.textContent)).toContain("Thank you");
  await expectSound(ann.page);
  await dialog.getByRole("button", { name: "Mute bob" }).click();
  await ann.page.getByText("bob is not notified.", { exact: false }).waitFor();
  await ann.page
    .getByRole("main")
    .getByRole("button", { name: /^More about bob/ })
    .click();
  await ann.page.getByRole("menuitem", { name: "Unmute" }).waitFor();
});

test("a note that is too long is not sent, and a block is offered after the report (Korean, phone)", async () => {
  const korean = { ...PHONE, locale: "ko-KR", viewport: { width: 320, height: 640 } };
  const [ann, bob] = await Promise.all([member(browser, site, "하늘", korean), member(browser, site, "민수")]);
  const dialog = await openDialog(ann.page, bob.username, /^민수님 더 보기/, "신고");
  await dialog.getByRole("radio", { name: /^괴롭힘/ }).check();
  await dialog.getByRole("textbox").fill("가".repeat(1003));
  await dialog.getByText("3자를 줄여 주세요.", { exact: false }).waitFor();
  expect(await dialog.getByRole("button", { name: "신고하기" }).isDisabled()).toBe(true);
  await expectSound(ann.page);
  await dialog.getByRole("textbox").fill("가".repeat(1000));
  await dialog.getByRole("button", { name: "신고하기" }).click();
  await dialog.getByRole("button", { name: "민수님 차단" }).click();
  const question = ann.page.getByRole("dialog", { name: "민수님을 차단할까요?" });
  await question.getByRole("button", { name: "차단", exact: true }).click();
  await ann.page.getByRole("main").getByText("민수님을 차단했습니다").waitFor();
  await question.waitFor({ state: "detached" });
});

test("what the server rejects is said in the dialog, and nothing that was written is lost", async () => {
  const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
  const dialog = await openDialog(ann.page, bob.username, /^More about bob/, "Report");
  // The account leaves meanwhile.
  const left = await bob.page.request.fetch("/api/v1/me/deletion", {
    method: "POST",
    headers: { Origin: site.url },
    data: { password: PASSWORD },
  });
  expect(left.ok(), await left.text()).toBe(true);
  await dialog.getByRole("radio", { name: /^Something else/ }).check();
  await dialog.getByRole("textbox").fill("a note");
  await dialog.getByRole("button", { name: "Send report" }).click();
  await dialog.getByRole("alert").getByText("This no longer exists, or you may not see it.").waitFor();
  expect(await dialog.getByRole("textbox").inputValue()).toBe("a note");
});

test("a visitor is not offered to report", async () => {
  const { username } = await member(browser, site, "ann");
  const page = await visit(browser, site);
  await page.goto(`/@${username}`);
  await page
    .getByRole("main")
    .getByRole("button", { name: /^More about ann/ })
    .click();
  expect(await page.getByRole("menuitem").allTextContents()).toEqual(["Copy link"]);
});
