// Logins with another service.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AccountSite, at, startAccountSite } from "./accounts.js";
import { expectSound, PHONE, startBrowser } from "./harness.js";
import { startIdentityProvider } from "./identity-provider.js";

let browser: Browser;
let provider: Awaited<ReturnType<typeof startIdentityProvider>>;
let site: AccountSite;

beforeAll(async () => {
  [browser, provider] = await Promise.all([startBrowser(), startIdentityProvider()]);
  site = await startAccountSite(provider.settings);
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
  await provider?.stop();
});

test("a first login makes an account and leads back, and an account without a password can get one", async () => {
  const page = await site.visit(browser, { ...PHONE, locale: "ko-KR" });
  await page.goto("/login?next=/settings/password");
  const tab = await page.context().newPage();
  await tab.goto("/settings/language");
  await tab.getByRole("heading", { name: "언어", level: 1 }).waitFor();
  await page.getByRole("link", { name: "회사 계정으로 계속하기" }).click();
  await at(page, "/settings/password");
  // The other tab learns of a login that was a page load.
  await tab.getByRole("link", { name: "알림" }).waitFor();

  await page.getByText("다른 서비스로 로그인하는 계정입니다.", { exact: false }).waitFor();
  expect(await page.getByLabel("현재 비밀번호").count()).toBe(0);
  await page.getByLabel("새 비밀번호").fill("another small room by the sea");
  await page.getByRole("button", { name: "비밀번호 변경" }).click();
  await page.getByLabel("현재 비밀번호").waitFor();
  await expectSound(page);
});

test("a login that the user cancels says so, and keeps the way back", async () => {
  const page = await site.visit(browser);
  await page.goto("/login?next=/settings/about");
  provider.user.cancels = true;
  await page.getByRole("link", { name: "Continue with 회사" }).click();
  await page.getByRole("alert").getByText("The login was cancelled.").waitFor();
  await expectSound(page);
  provider.user.cancels = false;
  await page.getByRole("link", { name: "Continue with 회사" }).click();
  await at(page, "/settings/about");
});

test("a login can be linked to an account and unlinked, and a failed link says why", async () => {
  const { page } = await site.member(browser, "linked");
  await page.goto("/settings/logins");
  // The provider's user has an account of their own.
  await page.getByRole("button", { name: "Link 회사" }).click();
  await page.getByText("This login belongs to another account.").waitFor();
  await at(page, "/settings/logins");
  provider.user.subject = crypto.randomUUID();
  await page.getByRole("button", { name: "Link 회사" }).click();
  await page.getByText("Linked now", { exact: false }).waitFor();
  await expectSound(page);
  await page.getByRole("button", { name: "Unlink 회사" }).click();
  await page.getByText("회사 was unlinked.").waitFor();
  await page.getByRole("button", { name: "Link 회사" }).waitFor();
});

test("the only way to log in cannot be unlinked, and an old login is confirmed by another one", async () => {
  // Another name, because the first account has the username that is made of it.
  Object.assign(provider.user, { subject: crypto.randomUUID(), name: "Only Person" });
  const page = await site.visit(browser);
  await page.goto("/login?next=/settings/logins");
  await page.getByRole("link", { name: "Continue with 회사" }).click();
  await page.getByRole("button", { name: "Unlink 회사" }).click();
  await page.getByText("This is your only way to log in.", { exact: false }).waitFor();

  await page.route("**/api/v1/me/identities/company", (route) =>
    route.fulfill({
      status: 403,
      contentType: "application/problem+json",
      body: JSON.stringify({ code: "reauthentication-required", status: 403 }),
    }),
  );
  await page.getByRole("button", { name: "Unlink 회사" }).click();
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.getByText("Log in again to continue.", { exact: false }).waitFor();
  await expectSound(page);
  await dialog.getByRole("link", { name: "Continue with 회사" }).click();
  await page.getByRole("button", { name: "Unlink 회사" }).waitFor();
  await at(page, "/settings/logins");
  expect(await dialog.count()).toBe(0);
});

test("in the browser of an app, Google's login says how to leave it", async () => {
  const page = await site.visit(browser, {
    ...PHONE,
    locale: "ko-KR",
    userAgent: "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36 KAKAOTALK/25.1.0",
  });
  await page.route("**/api/v1/instance", async (route) => {
    const response = await route.fetch();
    const instance = await response.json();
    const google = { id: "google", name: "Google", start_url: "/api/v1/auth/google/start" };
    await route.fulfill({
      response,
      json: { ...instance, login_providers: [...instance.login_providers, google] },
    });
  });
  await page.goto("/login");
  await page.getByText("KakaoTalk 안에서는 Google 로그인을 쓸 수 없습니다.", { exact: false }).waitFor();
  expect(await page.getByRole("link", { name: /Google/ }).count()).toBe(0);
  expect(await page.getByRole("link", { name: "브라우저에서 열기" }).getAttribute("href")).toMatch(/^kakaotalk:/);
  await page.getByRole("link", { name: "회사 계정으로 계속하기" }).waitFor();
  await expectSound(page);
});
