// Sign up, log in, and a forgotten password.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccountSite, addAuthenticator, at, startAccountSite, totp, withoutOfferedPasskeys } from "./accounts.js";
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
