// Search, as people use it.

import type { Browser, CDPSession, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Server } from "../../packages/client/test/e2e/server.js";
import { DESK, expectSound, member, PHONE, startBrowser, startSite, visit } from "./harness.js";
import { main, write } from "./people.js";

let site: Server;
let browser: Browser;
/** Who writes what is searched for. */
let author: { page: Page; username: string };
beforeAll(async () => {
  [site, browser] = await Promise.all([startSite(), startBrowser()]);
  author = await member(browser, site, "노을사진관");
  for (const text of ["서울숲나들이 #노을", "A category of CATS #sunset", "두 번째 #노을빛"])
    await write(site, author.page, "POST", "/posts", { text });
});
// Pages that are done take no time from the next ones.
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));
afterAll(() => Promise.all([browser?.close(), site?.stop()]));

const field = (page: Page) => page.getByRole("combobox");
const options = (page: Page) => page.getByRole("option");

/** What the input method puts into the field, without ending the composition. */
const compose = (cdp: CDPSession, text: string) =>
  cdp.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });

async function recent(page: Page): Promise<string[]> {
  const response = await page.request.get("/api/v1/me/recent-searches");
  return (await response.json()).items.map(({ query, kind }: { query: string; kind: string }) => `${kind} ${query}`);
}

describe("search while typing", () => {
  test("suggestions follow the composition of Hangul, and Enter searches for the whole text (Korean, phone)", async () => {
    const { page } = await member(browser, site, "ann", { ...PHONE, locale: "ko-KR" });
    await page.goto("/explore");
    await field(page).focus();
    const cdp = await page.context().newCDPSession(page);
    for (const shape of ["ㄴ", "노", "농", "노으"]) await compose(cdp, shape);
    // The server has nothing with this syllable: it is on the way to another one.
    await options(page).filter({ hasText: "#노을빛" }).waitFor();
    await options(page).filter({ hasText: "노을사진관" }).waitFor();
    expect(await field(page).inputValue()).toBe("노으");
    await expectSound(page);
    // While composing, keys belong to the input method; Safari says so by the key code alone.
    for (const key of [
      { key: "ArrowDown", keyCode: 229 },
      { key: "ArrowDown", isComposing: true },
      { key: "Escape", isComposing: true },
    ])
      await field(page).dispatchEvent("keydown", key);
    expect(await field(page).getAttribute("aria-activedescendant")).toBeNull();
    await options(page).first().waitFor();
    await compose(cdp, "노을");
    await cdp.send("Input.insertText", { text: "노을" });
    await field(page).press("Enter");
    await page.waitForURL(`**/search?q=${encodeURIComponent("노을")}&type=posts`);
    await main(page).getByText("서울숲나들이").waitFor();
    expect(await field(page).inputValue()).toBe("노을");
    await expectSound(page);
    // What was suggested on the way was not searched for.
    expect(await recent(page)).toEqual(["posts 노을"]);
  });

  test("the keyboard moves through the options, opens one, and closes the list", async () => {
    const page = await visit(browser, site, DESK);
    await page.goto("/explore");
    await field(page).fill("노을");
    await options(page).filter({ hasText: "#노을빛" }).waitFor();
    const active = async () => {
      const id = await field(page).getAttribute("aria-activedescendant");
      return id && page.evaluate((of) => document.getElementById(of)?.textContent, id);
    };
    expect(await field(page).getAttribute("aria-expanded")).toBe("true");
    expect(await active()).toBeNull();
    const all = await options(page).allTextContents();
    expect(all[0]).toBe("Search for “노을”");
    expect(all.length).toBeGreaterThanOrEqual(4);
    for (const option of all) {
      await field(page).press("ArrowDown");
      expect(await active()).toBe(option);
    }
    // Around by the field.
    await field(page).press("ArrowDown");
    expect(await active()).toBeNull();
    await field(page).press("ArrowUp");
    expect(await active()).toBe(all.at(-1));
    await expectSound(page);

    await field(page).press("Escape");
    await options(page).first().waitFor({ state: "detached" });
    expect(await field(page).inputValue()).toBe("노을");
    expect(await field(page).getAttribute("aria-expanded")).toBe("false");
    await field(page).press("Escape");
    expect(await field(page).inputValue()).toBe("");

    await field(page).fill("노을사진");
    await options(page).filter({ hasText: author.username }).waitFor();
    await field(page).press("ArrowDown");
    await field(page).press("ArrowDown");
    await field(page).press("Enter");
    await page.waitForURL((url) => decodeURIComponent(url.pathname) === `/@${author.username}`);
  });

  test("an answer to an earlier text does not replace that to a later one: it is aborted", async () => {
    const page = await visit(browser, site, DESK);
    await page.goto("/explore");
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route(/suggestions\?q=sun$/, async (route) => {
      await answered;
      await route.continue().catch(() => {});
    });
    const failed: string[] = [];
    page.on("requestfailed", (request) => failed.push(new URL(request.url()).search));
    const asked = page.waitForRequest(/suggestions\?q=sun$/);
    await field(page).fill("sun");
    await asked;
    await field(page).fill("노을빛");
    await options(page).filter({ hasText: "#노을빛" }).waitFor();
    // Before the later text was asked for, not when the SDK gives up.
    expect(failed).toEqual(["?q=sun"]);
    answer();
    expect(await options(page).filter({ hasText: "#sunset" }).count()).toBe(0);
  });

  test("a press outside, and a Tab, close the list", async () => {
    const page = await visit(browser, site, DESK);
    await page.goto("/explore");
    for (const leave of [
      () => page.mouse.click(5, 700),
      () =>
        field(page)
          .press("Tab")
          .then(() => page.keyboard.press("Tab")),
    ]) {
      await field(page).fill("노을");
      await options(page).first().waitFor();
      await leave();
      await options(page).first().waitFor({ state: "detached" });
    }
  });
});

describe("results", () => {
  test("are in tabs by kind, with the matches marked", async () => {
    const page = await visit(browser, site, DESK);
    await page.goto("/search?q=서울 나들이");
    const marked = () =>
      page.evaluate(() => [...(CSS.highlights.get("search-match") ?? [])].map((range) => range.toString()));
    await main(page).getByText("서울숲나들이").waitFor();
    await expect.poll(marked).toEqual(["서울", "나들이"]);

    await page.goto("/search?q=노을");
    await main(page).getByRole("link", { name: "Hashtags" }).click();
    await main(page).getByRole("link", { name: "#노을빛" }).waitFor();
    await expect.poll(marked).toContain("노을");
    await expectSound(page);
    await main(page).getByRole("link", { name: "People" }).click();
    await main(page).getByRole("link", { name: author.username }).waitFor();
    await expectSound(page);
    // The tabs are not in the history.
    await page.goBack();
    await expect.poll(() => page.url()).toContain(encodeURIComponent("나들이"));
    await main(page).getByText("서울숲나들이").waitFor();
    await expect.poll(marked).toEqual(["서울", "나들이"]);
  });

  test("the sign of a text chooses the kind", async () => {
    const page = await visit(browser, site, DESK);
    for (const [text, kind] of [
      ["#노을", "hashtags"],
      ["@노을", "users"],
    ] as const) {
      await page.goto("/explore");
      await field(page).fill(text);
      await field(page).press("Enter");
      await page.waitForURL(`**type=${kind}`);
      await main(page).getByRole("link", { name: /노을/ }).first().waitFor();
    }
  });

  test("nothing found says what to try, in every kind", async () => {
    const page = await visit(browser, site, { ...PHONE, viewport: { width: 320, height: 640 }, colorScheme: "dark" });
    for (const [kind, advice] of [
      ["posts", "Try fewer or other words."],
      ["users", "Try another part of the name"],
      ["hashtags", "Try a shorter part of the word"],
    ]) {
      await page.goto(`/search?q=${"없는낱말".repeat(10)}&type=${kind}`);
      await page.getByText(advice ?? "").waitFor();
      await expectSound(page);
    }
    // A text that the server does not accept says why.
    await page.goto(`/search?q=${"a".repeat(101)}`);
    await page.getByText("This is too long.").waitFor();
  });
});

describe("recent searches", () => {
  test("are shown in the empty field, deleted one by one and all, and the focus stays in the list", async () => {
    const { page } = await member(browser, site, "ann", DESK);
    for (const text of ["one", "two", "three"]) {
      await page.goto(`/search?q=${text}`);
      await page.getByText(`No posts with “${text}”`).waitFor();
    }
    await page.goto("/explore");
    await field(page).focus();
    const list = page.getByRole("region", { name: "Recent searches" });
    await list.getByRole("link", { name: "three" }).waitFor();
    expect(await list.getByRole("link").allTextContents()).toEqual(["three", "two", "one"]);
    await expectSound(page);
    await list.getByRole("button", { name: "Delete “three”" }).focus();
    await page.keyboard.press("Enter");
    await list.getByRole("link", { name: "three" }).waitFor({ state: "detached" });
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toContain("“two”");
    await expect.poll(() => recent(page)).toEqual(["posts two", "posts one"]);

    // Escape leads back to the field, and closes them.
    await page.keyboard.press("Escape");
    await list.waitFor({ state: "detached" });
    expect(await field(page).evaluate((input) => input === document.activeElement)).toBe(true);
    await field(page).click();
    await list.getByRole("link", { name: "two" }).click();
    await page.waitForURL("**/search?q=two&type=posts");
    await page.goto("/search");
    await main(page).getByRole("button", { name: "Clear all" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Clear all" }).click();
    await list.waitFor({ state: "detached" });
    await expect.poll(() => recent(page)).toEqual([]);
    await page.reload();
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("role"))).toBe("combobox");
    expect(await list.count()).toBe(0);
  });

  test("a visitor has none", async () => {
    const page = await visit(browser, site, DESK);
    await page.goto("/search?q=노을");
    await main(page).getByText("서울숲나들이").waitFor();
    await page.goto("/search");
    await field(page).click();
    expect(await page.getByRole("region", { name: "Recent searches" }).count()).toBe(0);
    await expectSound(page);
  });
});
