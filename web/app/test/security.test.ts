// The settings that protect an account: password, address, second factor, devices, and its deletion.

import type { Browser, Page } from "playwright-core";
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

const me = (page: Page) => site.call(page, "GET", "/me") as Promise<Record<string, unknown>>;

/** Answers the first call of `path` as if the last login were long ago. */
async function loginIsOld(page: Page, method: string, path: string): Promise<void> {
  let isFirst = true;
  await page.route(`**/api/v1${path}`, async (route) => {
    if (!isFirst || route.request().method() !== method) return route.fallback();
    isFirst = false;
    await route.fulfill({
      status: 403,
      contentType: "application/problem+json",
      body: JSON.stringify({ code: "reauthentication-required", status: 403, title: "A recent login is required" }),
    });
  });
}

describe("security", () => {
  test("another password ends the other sessions, and a wrong one changes nothing", async () => {
    const { page, username } = await site.member(browser, "password");
    const other = await site.visit(browser);
    await site.logIn(other, username);
    await other.goto("/settings/privacy");
    await other.getByLabel("Private account").waitFor();
    await page.goto("/settings/password");
    await page.getByLabel("Current password").waitFor();
    await expectSound(page);
    const next = "another small room by the sea";
    await page.getByLabel("Current password").fill("not the password");
    await page.getByLabel("New password").fill(next);
    await page.getByRole("button", { name: "Change the password" }).click();
    await page.getByText("The password is wrong.").waitFor();
    // A wrong password is no end of the session.
    await page.getByLabel("Current password").fill(PASSWORD);
    await page.getByRole("button", { name: "Change the password" }).click();
    await page.getByText("Your password was changed", { exact: false }).waitFor();
    await at(other, "/login?next=%2Fsettings%2Fprivacy");
    await site.logIn(other, username, next);
    await page.reload();
    await page.getByLabel("Current password").waitFor();
  });

  test("an old login is confirmed, and the action repeated", async () => {
    const { page } = await site.member(browser, "confirm");
    await page.goto("/settings/second-factor");
    await loginIsOld(page, "POST", "/me/factors/totp");
    await page.getByRole("button", { name: "Add an authenticator app" }).click();
    const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
    await dialog.getByLabel("Password", { exact: true }).and(page.locator(":focus")).waitFor();
    await page.keyboard.type("not the password");
    await page.keyboard.press("Enter");
    await dialog.getByText("The password is wrong.").waitFor();
    await expectSound(page);
    await dialog.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await dialog.getByRole("button", { name: "Confirm" }).click();
    await page.getByRole("img", { name: "QR code for your authenticator app" }).waitFor();
    expect(await dialog.count()).toBe(0);
  });

  test("a confirmation that is cancelled stops the action", async () => {
    const { page } = await site.member(browser, "cancel");
    await page.goto("/settings/second-factor");
    await loginIsOld(page, "POST", "/me/factors/totp");
    await page.getByRole("button", { name: "Add an authenticator app" }).click();
    const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
    await dialog.getByLabel("Password", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("Cancelled.").waitFor();
    expect(await dialog.count()).toBe(0);
  });

  test("all other devices are logged out", async () => {
    const { page, username } = await site.member(browser, "devices");
    const other = await site.visit(browser, PHONE);
    await site.logIn(other, username);
    await other.goto("/settings/privacy");
    await other.getByLabel("Private account").waitFor();
    await page.goto("/settings/sessions");
    await page.getByRole("button", { name: "Log out all other devices" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Log out all other devices" }).click();
    await page.getByText("All other devices were logged out.").waitFor();
    await at(other, "/login?next=%2Fsettings%2Fprivacy");
  });
});

describe("mail", () => {
  test("an address is verified by the link in a mail", async () => {
    const { page, username } = await site.member(browser, "mail");
    const address = `${username}@example.org`;
    await page.goto("/settings/email");
    await page.getByLabel("Email").fill(address);
    await page.getByLabel("Your password").fill(PASSWORD);
    await page.getByRole("button", { name: "Send the link" }).click();
    await page.getByText(`A mail with a link was sent to ${address}.`).waitFor();
    await page.getByText("Not verified yet", { exact: false }).waitFor();
    await expectSound(page);
    await expect.poll(async () => (await site.mailsTo(address)).length, { timeout: 20_000 }).toBeGreaterThan(0);
    const mail = ((await site.mailsTo(address)).at(-1) ?? "").replace(/=\r?\n/g, "").replaceAll("=3D", "=");
    const link = mail.match(/http:\/\/localhost:\d+\/verify-email\?[^\s">]+/)?.[0] ?? "";
    const tab = await page.context().newPage();
    await tab.goto(link.replaceAll("&amp;", "&"));
    await tab.getByRole("button").click();
    await expect.poll(async () => (await me(page))["email_verified"]).toBe(true);
    // Back in the tab of the app.
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
    await page.getByText("Verified", { exact: true }).waitFor();
  });
});

describe("the deletion of the account", () => {
  test("asks for the password and once more, and then the account does not exist", async () => {
    const { page, username } = await site.member(browser, "deleted");
    await page.goto("/settings/delete");
    await page.getByLabel("Your password").waitFor();
    await expectSound(page);
    const erase = async (password: string) => {
      await page.getByLabel("Your password").fill(password);
      await page.getByRole("button", { name: "Delete the account" }).click();
      await page.getByRole("button", { name: "Delete for ever" }).click();
    };
    await erase("not the password");
    await page.getByText("The password is wrong.").waitFor();
    await erase(PASSWORD);
    await at(page, "/");
    await page.getByText("Your account was deleted.").waitFor();
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Log in" }).waitFor();
    const response = await page.request.get(`/api/v1/users/@${username}`);
    expect(response.status()).toBe(404);
  });
});
