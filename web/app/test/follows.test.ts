// Follows and requests, as people use them.

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Server } from "../../packages/client/test/e2e/server.js";
import { DESK, expectSound, member, PHONE, startBrowser, startSite, visit } from "./harness.js";
import { button, choose, main, post, REJECTED, write } from "./people.js";

let site: Server;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([startSite(), startBrowser()]);
});
// Pages that are done take no time from the next ones.
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));
afterAll(() => Promise.all([browser?.close(), site?.stop()]));

test("a follow is shown at once, and rolled back with the reason if the server rejects it", async () => {
  const [ann, bob] = await Promise.all([member(browser, site, "ann", DESK), member(browser, site, "bob")]);
  await ann.page.goto(`/@${bob.username}`);
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await ann.page.route("**/follow", async (route) => {
    await asked;
    await route.fulfill(REJECTED);
  });
  await button(ann.page, "Follow bob").click();
  await button(ann.page, "Following bob").waitFor();
  await main(ann.page).getByRole("link", { name: "1 follower" }).waitFor();
  answer();
  await button(ann.page, "Follow bob").waitFor();
  await main(ann.page).getByRole("link", { name: "0 followers" }).waitFor();
  await ann.page.getByText("You may not do this.").waitFor();

  await ann.page.unroute("**/follow");
  const stored = ann.page.waitForResponse("**/follow");
  await button(ann.page, "Follow bob").click();
  await button(ann.page, "Following bob").waitFor();
  await stored;
  await ann.page.reload();
  await button(ann.page, "Following bob").waitFor();
  await expectSound(ann.page);
});

test("a follow that is undone at once ends as the last press, whatever the server answers first", async () => {
  const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
  await ann.page.goto(`/@${bob.username}`);
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const methods: string[] = [];
  await ann.page.route("**/follow", async (route) => {
    methods.push(route.request().method());
    if (methods.length === 1) await asked;
    await route.continue();
  });
  await button(ann.page, "Follow bob").click();
  await button(ann.page, "Following bob").click();
  await button(ann.page, "Follow bob").waitFor();
  const last = ann.page.waitForResponse((response) => response.request().method() === "DELETE");
  answer();
  await last;
  expect(methods).toEqual(["PUT", "DELETE"]);
  await button(ann.page, "Follow bob").waitFor();
  await ann.page.reload();
  await button(ann.page, "Follow bob").waitFor();
});

test("a follow changes the rows of lists, too", async () => {
  const [ann, bob, cho] = await Promise.all([
    member(browser, site, "ann"),
    member(browser, site, "bob"),
    member(browser, site, "cho"),
  ]);
  await write(site, cho.page, "PUT", `/users/@${bob.username}/follow`);
  await ann.page.goto(`/@${bob.username}/followers`);
  await button(ann.page, "Follow cho").click();
  await button(ann.page, "Following cho").waitFor();
  await expectSound(ann.page);
  await main(ann.page).getByRole("link", { name: /cho/ }).click();
  await button(ann.page, "Following cho").click();
  await button(ann.page, "Follow cho").waitFor();
  await ann.page.goBack();
  await button(ann.page, "Follow cho").waitFor();
});

test("a request is accepted live, and the posts appear (Korean, phone)", async () => {
  const korean = { ...PHONE, locale: "ko-KR" };
  const [owner, guest] = await Promise.all([
    member(browser, site, "하늘", korean),
    member(browser, site, "민수", korean),
  ]);
  await write(site, owner.page, "PATCH", "/me", { is_private: true });
  await post(site, owner.page, "비공개 노을");
  await owner.page.goto("/follow-requests");
  await owner.page.getByText("팔로우 요청이 없습니다").waitFor();

  await guest.page.goto(`/@${owner.username}?view=list`);
  await guest.page.getByText("비공개 계정입니다").waitFor();
  await expectSound(guest.page);
  // Its lists say why they are closed.
  await guest.page.goto(`/@${owner.username}/following`);
  await guest.page.getByText("비공개 계정입니다").waitFor();
  await guest.page.goto(`/@${owner.username}?view=list`);
  await button(guest.page, /^팔로우/).click();
  await guest.page.getByText("팔로우를 요청했습니다.", { exact: false }).waitFor();

  // It arrives without a reload.
  await button(owner.page, "수락 민수").waitFor();
  await expectSound(owner.page);
  await button(owner.page, "수락 민수").click();
  await owner.page.getByText("이제 나를 팔로우합니다").waitFor();
  // The focus goes to the button that replaces it.
  await expect.poll(() => owner.page.evaluate(() => document.activeElement?.textContent)).toBe("맞팔로우민수");
  await guest.page.getByText("비공개 노을").waitFor();
  await button(guest.page, /^팔로잉/).waitFor();

  // To unfollow a private account is asked about.
  await button(guest.page, /^팔로잉/).click();
  await guest.page.getByRole("dialog").getByRole("button", { name: "팔로우 취소" }).click();
  await guest.page.getByText("비공개 계정입니다").waitFor();
  expect(await guest.page.getByText("비공개 노을").count()).toBe(0);
});

test("a rejected request leaves, and the focus goes to the next one; a withdrawn one leaves by itself", async () => {
  const [owner, bob, cho] = await Promise.all([
    member(browser, site, "ann"),
    member(browser, site, "bob"),
    member(browser, site, "cho"),
  ]);
  await write(site, owner.page, "PATCH", "/me", { is_private: true });
  for (const { page } of [bob, cho]) await write(site, page, "PUT", `/users/@${owner.username}/follow`);
  await owner.page.goto(`/@${owner.username}`);
  // The own profile says how many wait.
  await main(owner.page).getByRole("link", { name: "Follow requests 2" }).click();
  await button(owner.page, "Reject cho").focus();
  await owner.page.keyboard.press("Enter");
  await button(owner.page, "Reject cho").waitFor({ state: "detached" });
  await expect.poll(() => owner.page.evaluate(() => document.activeElement?.textContent)).toBe("Acceptbob");
  await write(site, bob.page, "DELETE", `/users/@${owner.username}/follow`);
  await owner.page.getByText("No follow requests").waitFor();
});

test("a follower is removed after a question", async () => {
  const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
  await write(site, bob.page, "PUT", `/users/@${ann.username}/follow`);
  await ann.page.goto(`/@${ann.username}/followers`);
  await choose(ann.page, "bob", "Remove follower");
  await expectSound(ann.page);
  await ann.page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await ann.page.getByText("No followers yet").waitFor();
  await bob.page.goto(`/@${ann.username}`);
  await button(bob.page, "Follow ann").waitFor();
});

test("a visitor is led to the login", async () => {
  const { username } = await member(browser, site, "ann");
  const page = await visit(browser, site);
  await page.goto(`/@${username}`);
  await button(page, "Follow ann").click();
  await page.waitForURL(`**/login?next=${encodeURIComponent(`/@${username}`)}`);
});
