// The settings: what is changed there, and that it takes effect.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccountSite, at, startAccountSite } from "./accounts.js";
import { DESK, expectSound, PHONE, startBrowser, unique } from "./harness.js";

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

describe("the list", () => {
  test("has a section beside it on desks, and is a page of its own on phones", async () => {
    const { page } = await site.member(browser, "list", DESK);
    await page.goto("/settings");
    await page.getByRole("heading", { name: "Profile", level: 1 }).waitFor();
    await page.getByLabel("Name").waitFor();
    await expectSound(page);
    await page.getByRole("link", { name: "Privacy" }).click();
    await page.getByRole("heading", { name: "Privacy", level: 1 }).waitFor();
    expect(await page.getByRole("link", { name: "Privacy" }).getAttribute("aria-current")).toBe("page");

    await page.setViewportSize(PHONE.viewport);
    await page.getByRole("navigation", { name: "Settings" }).waitFor({ state: "detached" });
    await page.goto("/settings");
    await page.getByRole("navigation", { name: "Settings" }).waitFor();
    expect(await page.getByLabel("Name").count()).toBe(0);
    await expectSound(page);
  });

  test("has for visitors what is about their browser", async () => {
    const page = await site.visit(browser, PHONE);
    await page.goto("/settings");
    const links = page.getByRole("navigation", { name: "Settings" }).getByRole("link");
    await links.first().waitFor();
    expect(await links.allTextContents()).toEqual(["Language", "Appearance", "About"]);
    await page.goto("/settings/sessions");
    await at(page, "/login?next=%2Fsettings%2Fsessions");
    await page.goto("/settings/nothing");
    await page.getByRole("heading", { name: "Nothing is here" }).waitFor();
  });
});

describe("what could not be loaded", () => {
  test("is read again", async () => {
    const { page } = await site.member(browser, "failing");
    await page.route("**/api/v1/auth/sessions*", (route) =>
      route.fulfill({
        status: 404,
        contentType: "application/problem+json",
        body: '{"code":"not-found","status":404}',
      }),
    );
    await page.goto("/settings/sessions");
    const retry = page.getByRole("button", { name: "Try again" });
    await retry.waitFor();
    await page.unrouteAll();
    await retry.click();
    await page.getByText("This device").waitFor();
  });

  test("of the app's code is loaded with the page, but not offline", async () => {
    const { page } = await site.member(browser, "offline", DESK);
    await page.goto("/settings/profile");
    await page.getByLabel("Name").waitFor();
    await page.context().setOffline(true);
    await page.getByRole("link", { name: "Devices" }).click();
    await page.getByText("You are offline.", { exact: false }).waitFor();
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("This device").waitFor();
  });
});

describe("the profile", () => {
  test("gets a name and a text that the server accepts", async () => {
    const { page, username } = await site.member(browser, "profile", { ...PHONE, locale: "ko-KR" });
    await page.goto("/settings/profile");
    const bio = page.getByLabel("자기소개");
    await bio.fill("가".repeat(301));
    await page.getByText("너무 깁니다: 301/300").waitFor();
    expect(await page.getByRole("button", { name: "저장" }).isDisabled()).toBe(true);
    await bio.fill("바다를 봅니다 👨‍👩‍👧‍👦");
    await page.getByText("9/300").waitFor();
    await page.getByLabel("이름").fill("");
    await page.getByRole("button", { name: "저장" }).click();
    await page.getByText("저장했습니다.").waitFor();
    // Without a name, it is the username.
    expect(await page.getByLabel("이름").inputValue()).toBe(username);
    expect(await me(page)).toMatchObject({ display_name: username, bio: "바다를 봅니다 👨‍👩‍👧‍👦" });
    await expectSound(page);
  });

  test("gets a square picture, and loses it", async () => {
    const { page } = await site.member(browser, "picture");
    await page.goto("/settings/profile");
    const [width, height] = [400, 200];
    const image = await page.evaluate(
      async ([width, height]) => {
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        const context = canvas.getContext("2d");
        for (const [color, left] of [
          ["red", 0],
          ["blue", 200],
        ] as const) {
          if (!context) throw new Error("no canvas");
          context.fillStyle = color;
          context.fillRect(left, 0, 200, 200);
        }
        return canvas.toDataURL("image/png").slice("data:image/png;base64,".length);
      },
      [width, height] as const,
    );
    const input = page.locator("input[type=file]");
    await input.setInputFiles({ name: "notes.png", mimeType: "image/png", buffer: Buffer.from("no image") });
    await page.getByText("This type of image is not supported.").waitFor();
    await input.setInputFiles({ name: "wide.png", mimeType: "image/png", buffer: Buffer.from(image, "base64") });
    await page.getByRole("dialog").waitFor();
    await expectSound(page);
    // To the right end: the picture is blue.
    const area = page.getByRole("application");
    await area.focus();
    for (let step = 0; step < 12; step++) await page.keyboard.press("ArrowLeft");
    await page.getByRole("button", { name: "Use this picture" }).click();
    await page.getByText("Your picture was changed.").waitFor();
    const { avatar_url: url } = await me(page);
    const [r, , b] = await page.evaluate(async (address) => {
      const bitmap = await createImageBitmap(await (await fetch(address)).blob());
      const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
      const context = canvas.getContext("2d");
      context?.drawImage(bitmap, 0, 0);
      return [...(context?.getImageData(5, bitmap.height / 2, 1, 1).data ?? []), bitmap.width - bitmap.height];
    }, url as string);
    expect([(r ?? 0) < 60, (b ?? 0) > 180]).toEqual([true, true]);

    await page.getByRole("button", { name: "Remove the picture" }).click();
    await page.getByText("Your picture was removed.").waitFor();
    expect((await me(page))["avatar_url"]).toBeNull();
  });

  test("gets another username, and the app follows", async () => {
    const { page } = await site.member(browser, "renamed");
    const name = unique("renamed");
    await page.goto("/settings/username");
    await page.getByLabel("Username").fill("ab");
    await page.getByText("At least 3 characters.").waitFor();
    await page.getByLabel("Username").fill(name);
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByText(`You are @${name} now.`).waitFor();
    expect(await page.getByRole("link", { name: "Profile" }).first().getAttribute("href")).toBe(`/@${name}`);
  });
});

describe("privacy", () => {
  test("takes effect at once, and is rolled back if the server rejects it", async () => {
    const { page } = await site.member(browser, "privacy");
    await page.goto("/settings/privacy");
    const isPrivate = page.getByRole("switch", { name: "Private account" });
    await isPrivate.click();
    await page.getByRole("radio", { name: "No one" }).click();
    await expect.poll(() => me(page)).toMatchObject({ is_private: true, messages_from: "nobody" });
    await expectSound(page);

    await page.route("**/api/v1/me", (route) =>
      route.request().method() === "PATCH"
        ? route.fulfill({
            status: 403,
            contentType: "application/problem+json",
            body: '{"code":"forbidden","status":403}',
          })
        : route.fallback(),
    );
    await isPrivate.click();
    await page.getByText("You may not do this.").waitFor();
    expect(await isPrivate.isChecked()).toBe(true);
  });

  test("a blocked account can be let in again, and blocked again", async () => {
    const { page: other, username } = await site.member(browser, "blocked");
    await other.close();
    const { page } = await site.member(browser, "blocker");
    await site.call(page, "PUT", `/users/@${username}/block`);
    await page.goto("/settings/blocked");
    await page.getByRole("button", { name: `Unblock ${username}` }).click();
    await page.getByText("You have blocked no one").waitFor();
    const relation = async () =>
      ((await site.call(page, "GET", `/users/@${username}`)) as { viewer: { blocking: boolean } }).viewer.blocking;
    expect(await relation()).toBe(false);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("button", { name: `Unblock ${username}` }).waitFor();
    expect(await relation()).toBe(true);
    await page.goto("/settings/muted");
    await page.getByText("You have muted no one").waitFor();
    await expectSound(page);
  });
});

describe("the app", () => {
  test("is in the language that was chosen", async () => {
    const page = await site.visit(browser, DESK);
    await page.goto("/settings/language");
    await page.getByRole("radio", { name: "한국어" }).click();
    await page.getByRole("heading", { name: "언어", level: 1 }).waitFor();
    expect(await page.locator("html").getAttribute("lang")).toBe("ko");
    await page.goto("/login");
    await page.getByRole("heading", { name: "로그인" }).waitFor();
  });

  test("is light or dark as chosen, from the first paint on, in every tab", async () => {
    const page = await site.visit(browser, { ...DESK, colorScheme: "light" });
    const background = (tab: Page) => tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const bars = () =>
      page.locator('meta[name="theme-color"]').evaluateAll((all) => all.map((meta) => meta.getAttribute("content")));
    await page.goto("/settings/appearance");
    await page.getByRole("radio", { name: "As the system" }).waitFor();
    const light = await background(page);
    const bySystem = await bars();
    const other = await page.context().newPage();
    await other.goto("/settings/about");
    await page.getByRole("radio", { name: "Dark" }).check();
    await expect.poll(() => background(page)).not.toBe(light);
    const dark = await background(page);
    expect(await bars()).toEqual([bySystem[1], bySystem[1]]);
    await expect.poll(() => background(other)).toBe(dark);
    await other.close();
    await expectSound(page);

    // Before anything is rendered.
    await page.addInitScript(() => {
      new MutationObserver((_, observer) => {
        const root = document.getElementById("root");
        if (!root?.firstChild) return;
        Object.assign(window, { firstTheme: document.documentElement.dataset["theme"] });
        observer.disconnect();
      }).observe(document, { childList: true, subtree: true });
    });
    await page.reload();
    await page.getByRole("radio", { name: "Dark" }).waitFor();
    expect(await page.evaluate(() => (window as unknown as { firstTheme: string }).firstTheme)).toBe("dark");
    expect(await background(page)).toBe(dark);
    await page.getByRole("radio", { name: "As the system" }).check();
    await expect.poll(() => background(page)).toBe(light);
    expect(await bars()).toEqual(bySystem);
  });

  test("stays in the language and the theme of the device after a logout", async () => {
    const { page } = await site.member(browser, "device", DESK);
    await page.goto("/settings/language");
    await page.getByRole("radio", { name: "한국어" }).click();
    await page.getByRole("heading", { name: "언어", level: 1 }).waitFor();
    await page.getByRole("link", { name: "화면 테마" }).click();
    await page.getByRole("radio", { name: "어둡게" }).check();
    await page.getByRole("button", { name: "로그아웃" }).click();
    await at(page, "/");
    await page.getByRole("navigation", { name: "주 메뉴" }).getByRole("link", { name: "로그인" }).waitFor();
    await page.reload();
    await page.getByRole("navigation", { name: "주 메뉴" }).getByRole("link", { name: "로그인" }).waitFor();
    expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
  });

  test("says what runs the site, and how much is stored", async () => {
    const { page } = await site.member(browser, "about");
    await page.goto("/settings/about");
    await page.getByText(/^blegram \d/).waitFor();
    expect(await page.getByRole("link", { name: "API documentation" }).getAttribute("href")).toBe("/docs");
    await expectSound(page);
    await page.goto("/settings/storage");
    await page.getByText("0 of 20,000 images").waitFor();
    await expectSound(page);
  });
});

describe("the audit log", () => {
  test("is for administrators, with filters in the address", async () => {
    const { page, username } = await site.member(browser, "admin");
    const scripts: string[] = [];
    page.on("request", (request) => scripts.push(request.url()));
    await page.goto("/admin");
    await page.getByRole("heading", { name: "Nothing is here" }).waitFor();
    expect(scripts.filter((url) => /audit|\/admin\/audit/.test(url))).toEqual([]);

    await site.operate("user", "set-role", username, "admin");
    await page.goto("/settings");
    await page.getByRole("link", { name: "Audit log" }).click();
    await page.getByRole("heading", { name: "Audit log", level: 1 }).waitFor();
    await page.getByLabel("Event").selectOption("Role changed");
    await at(page, "/admin?kind=authz_change");
    await page.getByRole("article").first().waitFor();
    expect(await page.getByRole("article").count()).toBe(1);
    await page.getByRole("textbox", { name: "Username" }).fill(`@${username}`);
    await page.getByRole("button", { name: "Filter" }).click();
    await at(page, `/admin?kind=authz_change&user=${username}`);
    await page.getByText(`@${username}`).first().waitFor();
    await expectSound(page);
  });
});
