// Profiles, follows, requests, blocks and mutes, as people use them.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Server } from "../../packages/client/test/e2e/server.js";
import { DESK, expectSound, member, PHONE, startBrowser, startSite, visit } from "./harness.js";

let site: Server;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([startSite(), startBrowser()]);
});
afterAll(() => Promise.all([browser?.close(), site?.stop()]));

/** Something that the account of a page does elsewhere. */
async function write(page: Page, method: string, path: string, data?: object) {
  const response = await page.request.fetch(`/api/v1${path}`, {
    method,
    headers: { Origin: site.url },
    data: data ?? {},
  });
  expect(response.ok(), await response.text()).toBe(true);
  return response.status() === 204 ? undefined : response.json();
}

const post = (page: Page, text: string) => write(page, "POST", "/posts", { text });

/** A post with a photo, which is a picture of the page. */
async function postPhoto(page: Page, text: string) {
  const upload = await page.request.post("/api/v1/media", {
    headers: { Origin: site.url },
    multipart: { file: { name: "a.png", mimeType: "image/png", buffer: await page.screenshot() }, alt: "a page" },
  });
  const { items } = await upload.json();
  await write(page, "POST", "/posts", { text, media_ids: [items[0].id] });
}

const button = (page: Page, name: string | RegExp) => page.getByRole("main").getByRole("button", { name });
const main = (page: Page) => page.getByRole("main");

/** Opens a page in the app, without loading it again: what is cached stays. */
async function go(page: Page, path: string) {
  await page.evaluate((to) => {
    history.pushState({}, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, path);
}

async function choose(page: Page, about: string, item: string) {
  await button(page, new RegExp(`^More about ${about}`)).click();
  await page.getByRole("menuitem", { name: item, exact: true }).click();
}

describe("follows", () => {
  test("a follow is shown at once, and rolled back with the reason if the server rejects it", async () => {
    const [ann, bob] = await Promise.all([member(browser, site, "ann", DESK), member(browser, site, "bob")]);
    await ann.page.goto(`/@${bob.username}`);
    let answer = () => {};
    const asked = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await ann.page.route("**/follow", async (route) => {
      await asked;
      await route.fulfill({
        status: 403,
        contentType: "application/problem+json",
        body: JSON.stringify({ code: "forbidden", status: 403, title: "", detail: "" }),
      });
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
    await write(cho.page, "PUT", `/users/@${bob.username}/follow`);
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
    await write(owner.page, "PATCH", "/me", { is_private: true });
    await post(owner.page, "비공개 노을");
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
    await write(owner.page, "PATCH", "/me", { is_private: true });
    for (const { page } of [bob, cho]) await write(page, "PUT", `/users/@${owner.username}/follow`);
    await owner.page.goto(`/@${owner.username}`);
    // The own profile says how many wait.
    await main(owner.page).getByRole("link", { name: "Follow requests 2" }).click();
    await button(owner.page, "Reject cho").focus();
    await owner.page.keyboard.press("Enter");
    await button(owner.page, "Reject cho").waitFor({ state: "detached" });
    await expect.poll(() => owner.page.evaluate(() => document.activeElement?.textContent)).toBe("Acceptbob");
    await write(bob.page, "DELETE", `/users/@${owner.username}/follow`);
    await owner.page.getByText("No follow requests").waitFor();
  });

  test("a follower is removed after a question", async () => {
    const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
    await write(bob.page, "PUT", `/users/@${ann.username}/follow`);
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
});

describe("blocks and mutes", () => {
  test("a block says what it does, hides posts at once, and is undone", async () => {
    const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
    await Promise.all([post(bob.page, "by bob"), post(ann.page, "by ann")]);
    await write(ann.page, "PUT", `/users/@${bob.username}/follow`);
    await ann.page.goto("/explore?view=list");
    await ann.page.getByText("by bob").waitFor();
    await go(ann.page, `/@${bob.username}?view=list`);
    await ann.page.getByText("by bob").waitFor();
    await choose(ann.page, "bob", "Block");
    const dialog = ann.page.getByRole("dialog", { name: "Block bob?" });
    await dialog.getByText("Unblocking does not restore that.", { exact: false }).waitFor();
    await expectSound(ann.page);
    await dialog.getByRole("button", { name: "Block", exact: true }).click();
    await main(ann.page).getByText("You blocked bob", { exact: true }).waitFor();
    expect(await ann.page.getByText("by bob").count()).toBe(0);
    await expectSound(ann.page);

    // The list was loaded before, and is not loaded again yet.
    await ann.page.route("**/timelines/public*", (route) => route.abort());
    await go(ann.page, "/explore?view=list");
    await ann.page.getByText("by ann").waitFor();
    expect(await ann.page.getByText("by bob").count()).toBe(0);
    await ann.page.unroute("**/timelines/public*");

    // The other one sees nothing.
    await bob.page.goto(`/@${ann.username}`);
    await bob.page.getByText("Nothing is here").first().waitFor();

    await go(ann.page, `/@${bob.username}?view=list`);
    await button(ann.page, "Unblock bob").click();
    // The follow is not restored.
    await button(ann.page, "Follow bob").waitFor();
    await ann.page.getByText("by bob").waitFor();
  });

  test("a mute hides posts from timelines only, and is undone from the message", async () => {
    const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
    await Promise.all([post(bob.page, "loud"), post(ann.page, "quiet")]);
    await ann.page.goto("/explore?view=list");
    await ann.page.getByText("loud").waitFor();
    await go(ann.page, `/@${bob.username}?view=list`);
    await choose(ann.page, "bob", "Mute");
    const toast = ann.page.getByRole("status").filter({ hasText: "bob is not notified" });
    await toast.waitFor();
    await ann.page.getByText("loud").waitFor();
    await go(ann.page, "/explore?view=list");
    await ann.page.getByText("quiet").waitFor();
    expect(await ann.page.getByText("loud").count()).toBe(0);
    await toast.getByRole("button", { name: "Unmute" }).click();
    await ann.page.getByText("You see posts of bob again.").waitFor();
    await ann.page.reload();
    await ann.page.getByText("loud").waitFor();
  });

  test("a block that fails puts the posts back", async () => {
    const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
    await post(bob.page, "stays");
    await ann.page.goto(`/@${bob.username}?view=list`);
    await ann.page.getByText("stays").waitFor();
    await ann.page.route("**/block", (route) =>
      route.fulfill({
        status: 403,
        contentType: "application/problem+json",
        body: JSON.stringify({ code: "forbidden", status: 403, title: "", detail: "" }),
      }),
    );
    await choose(ann.page, "bob", "Block");
    await ann.page.getByRole("dialog").getByRole("button", { name: "Block", exact: true }).click();
    await ann.page.getByText("You may not do this.").waitFor();
    await button(ann.page, "Follow bob").waitFor();
    await ann.page.getByText("stays").waitFor();
  });
});

describe("profiles", () => {
  test("photos as a grid, posts as a list, and a bio with links", async () => {
    const { page, username } = await member(browser, site, "제주사람", { ...DESK, colorScheme: "dark" });
    await page.goto("/login");
    await postPhoto(page, "with a photo");
    await post(page, "without one");
    await write(page, "PATCH", "/me", { bio: "산과 바다 #제주\nhttps://example.org/a?b=1" });
    await page.goto(`/@${username}`);
    const photo = main(page).getByRole("link", { name: "Photo by 제주사람: a page" });
    await photo.waitFor();
    expect(await main(page).getByText("without one").count()).toBe(0);
    const link = main(page).getByRole("link", { name: "https://example.org/a?b=1" });
    expect(await link.getAttribute("rel")).toContain("noopener");
    await expectSound(page);
    await main(page).getByRole("link", { name: "Posts", exact: true }).click();
    await main(page).getByText("without one").waitFor();
    expect(new URL(page.url()).search).toBe("?view=list");
  });

  test("the own profile leads to what is one's own", async () => {
    const { page, username } = await member(browser, site, "ann", { ...PHONE, viewport: { width: 320, height: 640 } });
    await page.goto(`/@${username}`);
    for (const [name, path] of [
      ["Edit profile", "/settings/profile"],
      ["Liked", "/liked"],
      ["Bookmarks", "/bookmarks"],
      ["Settings", "/settings"],
      ["Share your first photo", "/new"],
    ] as const)
      expect(await main(page).getByRole("link", { name }).getAttribute("href"), name).toBe(path);
    // It is not private, and nothing waits.
    expect(await main(page).getByRole("link", { name: "Follow requests" }).count()).toBe(0);
    await expectSound(page);
  });

  test("long names and texts in other scripts fit on the smallest phones", async () => {
    const small = { ...PHONE, viewport: { width: 320, height: 640 } };
    const { page, username } = await member(browser, site, "가나다라마바사아자차카타파하", small);
    await write(page, "PATCH", "/me", {
      display_name: "W".repeat(30),
      bio: `${"아주긴이름".repeat(20)} مرحبا بالعالم ${"👨‍👩‍👧‍👦".repeat(9)}`,
      is_private: true,
    });
    const visitor = await member(browser, site, "bob", small);
    await visitor.page.goto(`/@${username}`);
    await button(visitor.page, /^Follow W/).waitFor();
    await expectSound(visitor.page);
    await page.goto(`/@${username}`);
    await main(page).getByRole("link", { name: "Follow requests" }).waitFor();
    await expectSound(page);
    await write(visitor.page, "PATCH", "/me", { display_name: "이름이 아주 긴 사람의 이름은 이렇게 됩니다" });
    await write(visitor.page, "PUT", `/users/@${username}/follow`);
    await page.goto("/follow-requests");
    await button(page, /^Accept/).waitFor();
    await expectSound(page);
  });

  test("other paths, and users who do not exist, are not found", async () => {
    const page = await visit(browser, site);
    for (const path of ["/nowhere", "/@", "/@does_not_exist", "/nowhere/followers", "/@does_not_exist/followers"]) {
      await page.goto(path);
      await page.getByText("Nothing is here").first().waitFor();
    }
    await expectSound(page);
  });

  test("a name is read in any case and composition", async () => {
    const { page, username } = await member(browser, site, "한글");
    for (const spelling of [username.normalize("NFD"), username.toUpperCase(), encodeURIComponent(username)]) {
      await page.goto(`/@${spelling}`);
      await main(page).getByRole("link", { name: "Edit profile" }).waitFor();
    }
  });

  test("the address is copied where there is no sheet to share with", async () => {
    const { page, username } = await member(browser, site, "ann", {
      permissions: ["clipboard-read", "clipboard-write"],
    });
    await page.goto(`/@${username}`);
    await button(page, "Copy link").click();
    await page.getByText("The link was copied.").waitFor();
    await page.goto("/explore");
    const field = page.getByRole("combobox");
    await field.press("Control+V");
    expect(await field.inputValue()).toBe(`${site.url}/@${username}`);
  });
});
