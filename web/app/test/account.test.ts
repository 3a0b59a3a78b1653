// Log in, sign up, and what happens when a session ends.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccountSite, addAuthenticator, startAccountSite, totp, withoutOfferedPasskeys } from "./accounts.js";
import { DESK, expectSound, PASSWORD, PHONE, startBrowser, unique } from "./harness.js";

let browser: Browser;
let site: AccountSite;

beforeAll(async () => {
  [browser, site] = await Promise.all([startBrowser(), startAccountSite()]);
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
});

/** Waits until the URL has the path. */
const at = (page: Page, path: string) => page.waitForURL((url) => url.pathname + url.search === path);

async function submitLogin(page: Page, login: string, password = PASSWORD): Promise<void> {
  await page.getByLabel("Username or email").fill(login);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
}

describe("sign up", () => {
  test("on a phone in Korean, with the rules while typing", async () => {
    const page = await site.visit(browser, { ...PHONE, locale: "ko-KR" });
    await page.goto("/bookmarks");
    await at(page, "/login?next=%2Fbookmarks");
    await page.getByRole("link", { name: "가입하기" }).click();
    await page.getByRole("heading", { name: "가입하기" }).waitFor();
    await expectSound(page);

    const name = page.getByLabel("아이디");
    const password = page.getByLabel("비밀번호", { exact: true });
    const submit = page.getByRole("button", { name: "가입하기" });
    await name.fill("a b");
    await page.getByText("영문, 숫자, 마침표, 밑줄, 한글만 쓸 수 있습니다.").waitFor();
    await name.fill(unique("바다"));
    await password.fill("짧은비밀");
    await page.getByText("6자 더 필요합니다.").waitFor();
    expect(await submit.isDisabled()).toBe(true);

    // The server estimates the strength: its word is at the field.
    await password.fill("qwerty123456");
    await submit.click();
    await page.getByText("추측하기 쉬운 비밀번호입니다.", { exact: false }).waitFor();
    expect(await password.getAttribute("aria-invalid")).toBe("true");
    expect(await password.evaluate((element) => element === document.activeElement)).toBe(true);

    await password.fill(PASSWORD);
    await page.getByRole("button", { name: "비밀번호 표시" }).click();
    expect(await password.getAttribute("type")).toBe("text");
    await submit.click();
    await at(page, "/bookmarks");
  });

  test("of a name that is taken says so at the field", async () => {
    const { page: other, username } = await site.member(browser, "taken");
    await other.close();
    const page = await site.visit(browser);
    await page.goto("/signup");
    await page.getByLabel("Username").fill(username.toUpperCase());
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByRole("button", { name: "Sign up" }).click();
    const name = page.getByLabel("Username");
    await page.getByText("This username is taken.").waitFor();
    expect(await name.getAttribute("aria-invalid")).toBe("true");
  });

  test("is closed where the site says so", async () => {
    const closed = await startAccountSite({ BLEGRAM_ACCOUNTS__REGISTRATION: "closed" });
    try {
      const page = await closed.visit(browser);
      await page.goto("/signup");
      await page.getByText("Sign-up is closed").waitFor();
      expect(await page.getByLabel("Username").count()).toBe(0);
      await expectSound(page);
      await page.getByRole("link", { name: "Log in" }).click();
      await page.getByRole("button", { name: "Log in", exact: true }).waitFor();
      expect(await page.getByRole("link", { name: "Sign up" }).count()).toBe(0);
    } finally {
      await closed.stop();
    }
  });
});

describe("log in", () => {
  test("on a desk in English, after a wrong password", async () => {
    const { page: other, username } = await site.member(browser, "ann");
    await other.close();
    const page = await site.visit(browser, DESK);
    await page.goto("/settings/privacy");
    await at(page, "/login?next=%2Fsettings%2Fprivacy");
    await page.getByRole("heading", { name: "Log in" }).waitFor();
    await expectSound(page);
    await submitLogin(page, username, "not the password of anyone");
    await page.getByRole("alert").getByText("The username or the password is wrong.").waitFor();
    await submitLogin(page, `@${username}`);
    await at(page, "/settings/privacy");
    await page.getByRole("heading", { name: "Privacy", level: 1 }).waitFor();
  });

  test("leads to no other site", async () => {
    const { page } = await site.member(browser, "led");
    await page.goto(`/login?next=${encodeURIComponent("//other.example/")}`);
    await at(page, "/");
  });

  test("says why a provider's login failed", async () => {
    const page = await site.visit(browser);
    await page.goto("/login?login_error=login-cancelled");
    await page.getByRole("alert").getByText("The login was cancelled.").waitFor();
    await page.goto("/login?login_error=%3Cb%3Eunknown");
    await page.getByRole("alert").getByText("Something went wrong.", { exact: false }).waitFor();
  });

  test("with the code of an app, then with a recovery code that works once", async () => {
    const { page: owner, username } = await site.member(browser, "totp");
    await owner.goto("/settings/second-factor");
    await owner.getByRole("button", { name: "Add an authenticator app" }).click();
    await owner.getByRole("img", { name: "QR code for your authenticator app" }).waitFor();
    await expectSound(owner);
    const secret = ((await owner.locator("dialog code").textContent()) ?? "").replaceAll(" ", "");
    const code = owner.getByLabel("Code of your authenticator app");
    await code.fill("000000");
    await owner.getByRole("button", { name: "Turn on" }).click();
    await owner.getByText("The code is wrong.").waitFor();
    await code.fill(totp(secret));
    await owner.getByRole("button", { name: "Turn on" }).click();
    // Recovery codes are offered at once.
    await owner.getByRole("dialog").getByRole("button", { name: "Create codes" }).click();
    await owner.getByRole("list", { name: "Recovery codes" }).waitFor();
    const codes = await owner.getByRole("list", { name: "Recovery codes" }).getByRole("listitem").allInnerTexts();
    expect(new Set(codes).size).toBe(10);
    await expectSound(owner);
    const file = owner.waitForEvent("download");
    await owner.getByRole("button", { name: "Download" }).click();
    expect((await file).suggestedFilename()).toBe("blegram-recovery-codes.txt");
    await owner.getByRole("button", { name: "I have stored them" }).click();
    await owner.getByText("10 codes are left.").waitFor();

    const page = await site.visit(browser);
    await page.goto("/login?next=/liked");
    await submitLogin(page, username);
    await page.getByRole("heading", { name: "Second factor" }).waitFor();
    await expectSound(page);
    const entered = page.getByLabel("Code of your authenticator app");
    await entered.fill("000000");
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText("That code was not accepted.", { exact: false }).waitFor();
    expect(await entered.inputValue()).toBe("");
    await entered.fill(totp(secret, "next"));
    await page.getByRole("button", { name: "Confirm" }).click();
    await at(page, "/liked");

    const again = await site.visit(browser);
    for (const expected of ["accepted", "used"]) {
      await again.goto("/login");
      await submitLogin(again, username);
      await again.getByRole("button", { name: "Use a recovery code" }).click();
      await again.getByLabel("Recovery code").fill(codes[0] ?? "");
      await again.getByRole("button", { name: "Confirm" }).click();
      if (expected === "used") await again.getByText("That code was not accepted.", { exact: false }).waitFor();
      else {
        await at(again, "/");
        await again.context().clearCookies();
      }
    }
  });

  test("with a passkey, alone and as second step", async () => {
    const { page, username } = await site.member(browser, "passkey");
    await withoutOfferedPasskeys(page);
    await addAuthenticator(page);
    await page.goto("/settings/second-factor");
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.getByLabel("Name (optional)").fill("내 노트북");
    await page.getByRole("button", { name: "Create a passkey" }).click();
    await page.getByRole("button", { name: "Later" }).click();
    await page.getByRole("button", { name: "Remove 내 노트북" }).waitFor();
    await expectSound(page);

    await page.context().clearCookies();
    await page.goto("/login");
    await page.getByRole("button", { name: "Log in with a passkey" }).click();
    await at(page, "/");
    await page.getByRole("link", { name: "Profile" }).waitFor();

    await page.context().clearCookies();
    await page.goto("/login");
    await submitLogin(page, username);
    await page.getByRole("button", { name: "Use a passkey" }).click();
    await at(page, "/");
  });

  test("with a passkey that the form offers by itself", async () => {
    const { page } = await site.member(browser, "offered");
    await addAuthenticator(page);
    await page.goto("/settings/second-factor");
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.getByRole("button", { name: "Create a passkey" }).click();
    await page.getByRole("button", { name: "Later" }).click();
    await page.context().clearCookies();
    await page.goto("/login?next=/liked");
    await at(page, "/liked");
  });
});

describe("a forgotten password", () => {
  test("is reset by mail", async () => {
    const page = await site.visit(browser, { ...PHONE, locale: "ko-KR" });
    await page.goto("/login");
    await page.getByRole("link", { name: "비밀번호를 잊으셨나요?" }).click();
    await page.getByRole("heading", { name: "비밀번호 재설정" }).waitFor();
    await page.getByLabel("이메일").fill("nowhere");
    await page.getByRole("button", { name: "재설정 링크 받기" }).click();
    await page.getByLabel("이메일").and(page.locator("[aria-invalid=true]")).waitFor();
    await page.getByLabel("이메일").fill("anyone@example.org");
    await page.getByRole("button", { name: "재설정 링크 받기" }).click();
    await page.getByText("메일을 확인해 주세요").waitFor();
    await expectSound(page);
  });

  test("cannot be reset where the site sends no mail", async () => {
    const page = await site.visit(browser);
    await page.route("**/api/v1/instance", async (route) => {
      const response = await route.fetch();
      const instance = await response.json();
      await route.fulfill({ response, json: { ...instance, features: { ...instance.features, mail: false } } });
    });
    await page.goto("/forgot-password");
    await page.getByText("This site sends no mail").waitFor();
    expect(await page.getByRole("textbox").count()).toBe(0);
    await expectSound(page);
  });
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
    await one.getByRole("link", { name: "Log in" }).waitFor();
    expect(await one.getByText("You have been logged out.").count()).toBe(0);

    const { username } = await site.member(browser, "second");
    await submitLogin(other, username);
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
    expect(await page.getByText(blocked).count()).toBe(0);
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
