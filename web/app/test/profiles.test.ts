// Profiles, blocks and mutes, as people use them.

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Server } from "../../packages/client/test/e2e/server.js";
import { DESK, expectSound, member, PHONE, startBrowser, startSite, visit } from "./harness.js";
import { button, choose, go, main, post, postPhoto, REJECTED, write } from "./people.js";

let site: Server;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([startSite(), startBrowser()]);
});
// Pages that are done take no time from the next ones.
afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));
afterAll(() => Promise.all([browser?.close(), site?.stop()]));

describe("blocks and mutes", () => {
  test("a block says what it does, hides posts at once, and is undone", async () => {
    const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
    await Promise.all([post(site, bob.page, "by bob"), post(site, ann.page, "by ann")]);
    await write(site, ann.page, "PUT", `/users/@${bob.username}/follow`);
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
    await Promise.all([post(site, bob.page, "loud"), post(site, ann.page, "quiet")]);
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

  test("from the menu of a post that leaves the list, a mute says what it did, and a block, too", async () => {
    const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
    await post(site, bob.page, "is below the menu");
    await post(site, bob.page, "leaves");
    await ann.page.goto("/explore?view=list");
    const card = main(ann.page).getByRole("article").filter({ hasText: "leaves" });
    await card.getByRole("button", { name: "More about this post" }).click();
    await ann.page.getByRole("menuitem", { name: "Mute bob" }).click();
    await card.waitFor({ state: "detached" });
    const status = ann.page.getByRole("status");
    await status.getByRole("button", { name: "Unmute" }).click();
    await status.filter({ hasText: "You see posts of bob again." }).waitFor();

    await ann.page.reload();
    await card.getByRole("button", { name: "More about this post" }).click();
    await ann.page.getByRole("menuitem", { name: "Block bob" }).click();
    await ann.page.getByRole("dialog").getByRole("button", { name: "Block", exact: true }).click();
    await card.waitFor({ state: "detached" });
    await status.filter({ hasText: "You blocked bob." }).waitFor();
    expect(await ann.page.getByRole("dialog").count()).toBe(0);
  });

  test("a block that fails puts the posts back", async () => {
    const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
    await post(site, bob.page, "stays");
    await ann.page.goto(`/@${bob.username}?view=list`);
    await ann.page.getByText("stays").waitFor();
    await ann.page.route("**/block", (route) => route.fulfill(REJECTED));
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
    await postPhoto(site, page, "with a photo", "a page");
    await post(site, page, "without one");
    await write(site, page, "PATCH", "/me", { bio: "산과 바다 #제주\nhttps://example.org/a?b=1" });
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

  test("back leads to the grid as it was left, and a new visit to what is new", async () => {
    const [ann, bob] = await Promise.all([member(browser, site, "ann"), member(browser, site, "bob")]);
    await bob.page.goto("/login");
    await postPhoto(site, bob.page, "", "first");
    await ann.page.clock.install();
    await ann.page.goto(`/@${bob.username}`);
    const photo = (alt: string) => main(ann.page).getByRole("link", { name: `Photo by bob: ${alt}` });
    await photo("first").click();
    await ann.page.waitForURL("**/posts/*");
    await postPhoto(site, bob.page, "", "second");
    await ann.page.clock.fastForward("05:00");
    const lists: string[] = [];
    ann.page.on("request", (request) => request.url().endsWith("/posts") && lists.push(request.url()));
    await ann.page.goBack();
    await photo("first").waitFor();
    // A request of the page that was made before this one would be known by now.
    await ann.page.evaluate(() => fetch("/healthz"));
    expect(lists).toEqual([]);
    await ann.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Explore" }).click();
    await main(ann.page).getByRole("combobox").fill(bob.username);
    await ann.page.getByRole("option", { name: `@${bob.username}` }).click();
    await photo("second").waitFor();
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
    await write(site, page, "PATCH", "/me", {
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
    await write(site, visitor.page, "PATCH", "/me", { display_name: "이름이 아주 긴 사람의 이름은 이렇게 됩니다" });
    await write(site, visitor.page, "PUT", `/users/@${username}/follow`);
    await page.goto("/follow-requests");
    await button(page, /^Accept/).waitFor();
    await expectSound(page);
  });

  test("other paths, and users who do not exist, are not found", async () => {
    const { username } = await member(browser, site, "ann");
    const page = await visit(browser, site);
    // A name without its sign is no profile, though there is such a user.
    for (const path of [
      `/${username}`,
      `/${username}/followers`,
      "/@",
      "/@does_not_exist",
      "/@does_not_exist/followers",
    ]) {
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
