// What the app shows when a session ends or is replaced: on this page, in another tab, on another device.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccountSite, at, startAccountSite } from "./accounts.js";
import { expectSound, PASSWORD, PHONE, startBrowser } from "./harness.js";

let browser: Browser;
let site: AccountSite;

beforeAll(async () => {
  [browser, site] = await Promise.all([startBrowser(), startAccountSite()]);
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
});

describe("the end of a session", () => {
  test("in one tab is the end in the other, and the next login is the same person in both", async () => {
    const { page: one } = await site.member(browser, "tabs");
    const other = await one.context().newPage();
    await one.goto("/settings");
    await other.goto("/bookmarks");
    await one.getByRole("button", { name: "Log out" }).click();
    await at(one, "/");
    await at(other, "/login?next=%2Fbookmarks");
    await other.getByText("You have been logged out.").waitFor();
    // The tab that logged out knows why.
    await one.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Log in" }).waitFor();
    expect(await one.getByText("You have been logged out.").count()).toBe(0);

    const { username } = await site.member(browser, "second");
    await other.getByLabel("Username or email").fill(username);
    await other.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await other.getByRole("button", { name: "Log in", exact: true }).click();
    await at(other, "/bookmarks");
    await one.getByRole("link", { name: "Profile" }).waitFor();
    expect(await one.getByRole("link", { name: "Profile" }).getAttribute("href")).toBe(`/@${username}`);
  });

  test("of one account and the login of another one leave nothing of the first one on the page", async () => {
    const { page: victim, username: blocked } = await site.member(browser, "blocked");
    await victim.close();
    const { page } = await site.member(browser, "first");
    await site.call(page, "PUT", `/users/@${blocked}/block`);
    await page.goto("/settings/blocked");
    await page.getByRole("button", { name: `Unblock ${blocked}` }).waitFor();
    const { page: other, username: second } = await site.member(browser, "another");
    await other.close();
    // What the second account gets is still on its way when the list is shown.
    let answer = () => {};
    const asked = new Promise<void>((resolve) => {
      void page.route("**/api/v1/me/blocks*", async (route) => {
        resolve();
        await new Promise<void>((done) => {
          answer = done;
        });
        await route.continue();
      });
    });
    // Another program of the device replaces the cookie: no tab says so.
    await site.logIn(page, second);
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
    await page.getByText(`You are now logged in as @${second}.`).waitFor();
    await asked;
    await page.getByRole("status").filter({ hasText: "Loading" }).waitFor();
    // In the list: the second account may see this user as a suggestion.
    expect(await page.getByRole("main").getByText(blocked).count()).toBe(0);
    answer();
    await page.getByText("You have blocked no one").waitFor();
  });

  test("and another one of the same account connects again", async () => {
    const { page, username } = await site.member(browser, "again");
    const sockets: string[] = [];
    page.on("websocket", (socket) => sockets.push(socket.url()));
    await page.goto("/settings/privacy");
    await expect.poll(() => sockets.length).toBe(1);
    await site.logIn(page, username);
    await expect.poll(() => sockets.length, { timeout: 10_000 }).toBe(2);
    await page.getByText("Connecting again …").waitFor({ state: "hidden" });
    await page.getByLabel("Private account").waitFor();
  });

  test("that another device has revoked shows the login", async () => {
    const { page: owner, username } = await site.member(browser, "owner");
    const stolen = await site.visit(browser, PHONE);
    await site.logIn(stolen, username);
    await stolen.goto("/settings/privacy");
    await stolen.getByLabel("Private account").waitFor();
    await owner.goto("/settings/sessions");
    await owner.getByText("This device").waitFor();
    await expectSound(owner);
    await owner.getByRole("button", { name: /^Log out (?!all)/ }).click();
    await owner.getByText("That device was logged out.").waitFor();
    await at(stolen, "/login?next=%2Fsettings%2Fprivacy");
    await stolen.getByText("You have been logged out.").waitFor();
    expect(await owner.getByRole("button", { name: "Log out all other devices" }).count()).toBe(0);
  });

  test("that only a rejected write reveals shows the login, too", async () => {
    const { page } = await site.member(browser, "unaware");
    // Without the gateway, which would say it first.
    await page.routeWebSocket(/./, (socket) => socket.close());
    await page.goto("/settings/privacy");
    const isPrivate = page.getByRole("switch", { name: "Private account" });
    await isPrivate.waitFor();
    await page.context().clearCookies();
    await isPrivate.click();
    await at(page, "/login?next=%2Fsettings%2Fprivacy");
    await page.getByText("You have been logged out.").waitFor();
  });
});
