// Posts as people see, write and share them.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PHOTO } from "../../packages/client/test/e2e/photo.js";
import type { Server } from "../../packages/client/test/e2e/server.js";
import { DESK, expectSound, member, PHONE, startBrowser, startSite, unique, visit } from "./harness.js";

let site: Server;
let browser: Browser;
type Author = Awaited<ReturnType<Server["client"]>>;
let author: Author;
let authorName: string;

beforeAll(async () => {
  [site, browser] = await Promise.all([
    startSite({ BLEGRAM_LIMITS__POSTS_PER_USER__BURST: "100000", BLEGRAM_LIMITS__GLOBAL_PER_USER__BURST: "100000" }),
    startBrowser(),
  ]);
  authorName = unique("author");
  author = await site.client(authorName);
});
afterAll(async () => {
  await browser?.close();
  await site?.stop();
});

const post = (page: Page, text: string) => page.getByRole("article").filter({ hasText: text });
const photo = (alt: string) => ({ file: new File([new Uint8Array(PHOTO)], "photo.png", { type: "image/png" }), alt });
const picked = (name: string) => ({ name, mimeType: "image/png", buffer: PHOTO });

/** A picture that browsers can show and the server does not accept: 1 by 1 pixel. */
const BMP = Buffer.from(
  "424d3a0000000000000036000000280000000100000001000000010018000000000004000000130b0000130b00000000000000000000ff000000",
  "hex",
);

describe("reading", () => {
  test("a visitor sees what everyone can see, and is invited", async () => {
    const first = await author.posts.create({ text: `${unique("hello")} #제주`, media: [photo("A harbour")] });
    const page = await visit(browser, site, { ...PHONE, locale: "ko-KR" });
    await page.goto("/");
    await page.getByRole("heading", { name: "blegram에 오신 것을 환영합니다" }).waitFor();
    await page.getByRole("img", { name: "A harbour" }).waitFor();
    await expectSound(page);
    const card = post(page, first.text);
    await card.getByRole("button", { name: "좋아요", exact: true }).click();
    await page.getByText("로그인하면 할 수 있습니다.").waitFor();
    await card.getByRole("link", { name: "#제주" }).click();
    await page.getByRole("heading", { name: "#제주" }).waitFor();
    await page.getByText("게시글 1개").waitFor();
    await post(page, first.text).waitFor();
    await expectSound(page);
  });

  test("photos are turned over by arrows and keys, and opened on the whole screen", async () => {
    const text = unique("album");
    await author.posts.create({ text, media: [photo("one"), photo("two"), photo("three")] });
    const page = await visit(browser, site);
    await page.goto("/");
    const card = post(page, text);
    await card.getByText("Photo 1 of 3").waitFor({ state: "attached" });
    await card.hover();
    await card.getByRole("button", { name: "Next photo" }).click();
    await card.getByText("Photo 2 of 3").waitFor({ state: "attached" });
    await page.keyboard.press("ArrowRight");
    await card.getByText("Photo 3 of 3").waitFor({ state: "attached" });
    await card.getByRole("button", { name: "ALT: show the description of the photo" }).click();
    await card.getByText("three", { exact: true }).waitFor();
    await card.getByRole("button", { name: "Open photo 3 of 3: three" }).press("Enter");
    const viewer = page.getByRole("dialog", { name: "Photo" });
    await viewer.getByRole("img", { name: "three" }).waitFor();
    await page.keyboard.press("+");
    await expect.poll(() => viewer.getByRole("img").evaluate((image) => image.style.transform)).toContain("scale(1.5)");
    await expectSound(page);
    await page.keyboard.press("ArrowLeft");
    await viewer.getByRole("img", { name: "two" }).waitFor();
    await page.keyboard.press("Escape");
    await viewer.waitFor({ state: "detached" });
    // The focus is where it was.
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toContain("three");
  });

  test("likes and bookmarks are shown at once, in every list, and taken back if they fail", async () => {
    const text = unique("liked");
    const { id } = await author.posts.create({ text, media: [photo("A boat")] });
    const { page } = await member(browser, site, "reader", PHONE);
    await page.goto("/?view=everyone");
    const like = post(page, text).getByRole("button", { name: "Like", exact: true });
    await like.waitFor();

    await page.route("**/api/v1/posts/*/like", (route) =>
      route.fulfill({ status: 403, contentType: "application/problem+json", json: { code: "blocked", status: 403 } }),
    );
    await like.click();
    await page.getByText("This is not possible between you and this account.").waitFor();
    expect(await like.getAttribute("aria-pressed")).toBe("false");
    expect((await author.posts.get(id)).like_count).toBe(0);
    await page.unroute("**/api/v1/posts/*/like");

    // A double tap on the photo.
    await post(page, text)
      .getByRole("button", { name: /A boat/ })
      .dblclick();
    await expect.poll(() => like.getAttribute("aria-pressed")).toBe("true");
    await expect.poll(async () => (await author.posts.get(id)).like_count).toBe(1);
    await post(page, text).getByRole("button", { name: "Bookmark" }).click();

    await post(page, text).getByRole("link", { name: "1 like" }).click();
    await page.getByRole("heading", { name: "Likes" }).waitFor();
    await page
      .getByRole("link", { name: /reader/ })
      .first()
      .waitFor();
    await expectSound(page);
    await page.goto("/bookmarks");
    await post(page, text).getByRole("button", { name: "Bookmark", pressed: true }).waitFor();
    await expectSound(page);
    await page.goto("/liked");
    await post(page, text).getByRole("button", { name: "Like", exact: true, pressed: true }).click();
    await expect.poll(async () => (await author.posts.get(id)).like_count).toBe(0);
    await expectSound(page);
  });

  test("a long list stays light, and back returns to the same place", async () => {
    const writers = await Promise.all([1, 2, 3, 4].map(() => site.client(unique("writer"))));
    const word = unique("many");
    await Promise.all(
      writers.map(async (writer, number) => {
        for (let index = 0; index < 100; index++)
          await writer.posts.create({ text: `${word} ${number}-${index} #${word}` });
      }),
    );
    const page = await visit(browser, site, PHONE);
    await page.goto(`/tags/${word}`);
    const articles = page.getByRole("article");
    await articles.first().waitFor();
    const end = async () => {
      await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
      // The first post of a writer is at the end.
      return (await articles.allInnerTexts()).some((text) => /\d-0 /.test(text));
    };
    await expect.poll(end, { timeout: 30_000, interval: 50 }).toBe(true);
    expect(await articles.count()).toBeLessThan(40);
    expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(2500);

    await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight / 2));
    /** The text of a post in the middle of the screen; empty while there is none. */
    const middle = () =>
      page.evaluate(
        () =>
          document
            .elementFromPoint(150, 400)
            ?.closest("article")
            ?.textContent?.match(/\d-\d+ /)?.[0] ?? "",
      );
    await expect.poll(middle).not.toBe("");
    const shown = page
      .getByRole("article")
      .filter({ hasText: await middle() })
      .first();
    const link = shown.getByRole("link", { name: "Comment", exact: true });
    await link.hover();
    const place = async () => (await shown.boundingBox())?.y ?? Number.NaN;
    const before = await place();
    await link.click();
    await page.getByRole("heading", { name: "Post" }).waitFor();
    expect(await page.evaluate(() => window.scrollY)).toBe(0);
    await page.goBack();
    await expect.poll(place).toBeCloseTo(before, 0);
  });
});

describe("writing", () => {
  test("a post with photos, their descriptions and an audience", async () => {
    const { page } = await member(browser, site, "작가", { ...PHONE, locale: "ko-KR" });
    await page.goto("/");
    await page.getByText("아직 조용합니다").waitFor();
    await expectSound(page);
    await page.getByRole("link", { name: "새 게시글" }).click();
    const text = unique("바다");
    await page.getByRole("textbox", { name: "본문" }).fill(text);
    await page.setInputFiles("input[type=file]", [picked("a.png"), picked("b.png")]);
    await page.getByRole("textbox", { name: "1번째 사진 설명" }).fill("첫 사진");
    await page.getByRole("textbox", { name: "2번째 사진 설명" }).fill("둘째 사진");
    await page.getByRole("button", { name: "1번째 사진을 아래로" }).click();
    await page.getByText("2장 중 2번째로 옮겼습니다").waitFor({ state: "attached" });
    await page.getByRole("combobox", { name: "공개 범위" }).selectOption("팔로워 공개");
    await expectSound(page);
    await page.getByRole("button", { name: "올리기" }).click();
    const card = post(page, text);
    await card.getByRole("button", { name: "사진 2장 중 1번째 크게 보기: 둘째 사진" }).waitFor();
    await card.getByRole("img", { name: "팔로워 공개" }).waitFor();
    await expectSound(page);
    // The draft is not there again.
    await page.getByRole("link", { name: "새 게시글" }).click();
    await expect.poll(() => page.getByRole("textbox", { name: "본문" }).inputValue()).toBe("");
  });

  test("a draft survives a reload, and a post whose response was lost is stored once", async () => {
    const { page, username } = await member(browser, site, "drafter");
    await page.goto("/new");
    const text = unique("draft");
    const input = page.getByRole("textbox", { name: "Text", exact: true });
    await input.fill(text);
    await page.setInputFiles("input[type=file]", [picked("a.png")]);
    await page.getByRole("textbox", { name: "Description of photo 1" }).fill("A lake");
    await page.getByRole("button", { name: "Post", exact: true }).and(page.locator(":enabled")).waitFor();
    await page.reload();
    await expect.poll(() => input.inputValue()).toBe(text);
    expect(await page.getByRole("textbox", { name: "Description of photo 1" }).inputValue()).toBe("A lake");

    // The server stores the post, and the device crashes before it knows.
    const arrived = new Promise<void>((resolve) => {
      void page.route("**/api/v1/posts", (route) => route.fetch().then(() => resolve()));
    });
    await page.getByRole("button", { name: "Post", exact: true }).click();
    await arrived;
    await page.reload();
    await page.unroute("**/api/v1/posts");
    await input.fill(`${text} again`);
    await page.getByRole("button", { name: "Post", exact: true }).click();
    await post(page, `${text} again`).getByRole("img", { name: "A lake" }).waitFor();
    const stored = await author.users.listPosts(`@${username}`).take(10);
    expect(stored.map((found) => found.text)).toEqual([`${text} again`]);
  });

  test("files that are no photos are rejected with a sentence, and others are converted", async () => {
    const { page } = await member(browser, site, "picker");
    await page.goto("/new");
    const mp4 = Buffer.from("\0\0\0\x18ftypisom\0\0\0\0isommp42", "latin1");
    await page.setInputFiles("input[type=file]", [
      { name: "film.jpg", mimeType: "image/jpeg", buffer: mp4 },
      { name: "broken.png", mimeType: "image/png", buffer: PHOTO.subarray(0, 60) },
      { name: "old.bmp", mimeType: "image/bmp", buffer: BMP },
    ]);
    await page.getByText("Videos cannot be sent. Choose a photo.").waitFor();
    await page.getByText("This image is damaged.").waitFor();
    const send = page.getByRole("button", { name: "Post", exact: true });
    expect(await send.isDisabled()).toBe(true);
    await expectSound(page);
    await page.getByRole("button", { name: "Remove photo 1" }).click();
    await page.getByRole("button", { name: "Remove photo 1" }).click();
    await page.getByRole("textbox", { name: "Description of photo 1" }).fill("A red dot");
    await send.click();
    await page.getByRole("button", { name: /A red dot/ }).waitFor();
  });

  test("no more characters than the server accepts, counted as it does", async () => {
    const { page } = await member(browser, site, "counter");
    await page.goto("/new");
    const input = page.getByRole("textbox", { name: "Text", exact: true });
    await input.fill("👨‍👩‍👧‍👦".repeat(409));
    // 409 characters have 10,225 of 10,240 bytes.
    await page.getByText("15 characters left").waitFor({ state: "attached" });
    await input.fill("가".repeat(2201));
    await page.getByText("1 character too many").waitFor({ state: "attached" });
    expect(await page.getByRole("button", { name: "Post", exact: true }).isDisabled()).toBe(true);
  });

  test("suggestions follow a syllable that is being composed, and Enter ends it without sending", async () => {
    const korean = unique("하늘");
    await site.client(korean);
    const { page } = await member(browser, site, "typist");
    const { id } = await author.posts.create({ text: unique("talk") });
    await page.goto(`/posts/${id}`);
    const input = page.getByRole("textbox", { name: "Write a comment" });
    await input.click();
    await page.keyboard.type("@");
    const keys = await page.context().newCDPSession(page);
    const compose = (text: string) =>
      keys.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
    await compose("하느");
    await compose("하늘");
    await page.getByRole("option", { name: korean }).waitFor();
    await keys.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Enter", windowsVirtualKeyCode: 229 });
    await keys.send("Input.insertText", { text: "하늘" });
    expect(await input.inputValue()).toBe("@하늘");
    await page.keyboard.press("Enter");
    await expect.poll(() => input.inputValue()).toBe(`@${korean} `);
    await page.keyboard.press("Enter");
    await page
      .getByRole("article", { name: /typist/ })
      .getByText(`@${korean}`)
      .waitFor();
    expect((await author.comments.list(id).take(5)).map(({ text }) => text)).toEqual([`@${korean}`]);
  });

  test("an edit does not overwrite one of another device", async () => {
    const { page, username } = await member(browser, site, "editor");
    const text = unique("first");
    await page.goto("/new");
    await page.getByRole("textbox", { name: "Text", exact: true }).fill(text);
    await page.getByRole("button", { name: "Post", exact: true }).click();
    await post(page, text).getByRole("button", { name: "More about this post" }).click();
    await page.getByRole("menuitem", { name: "Edit" }).click();
    const input = page.getByRole("textbox", { name: "Text", exact: true });
    await expect.poll(() => input.inputValue()).toBe(text);
    const [stored] = await author.users.listPosts(`@${username}`).take(1);
    const patch = (body: object) =>
      page.request.patch(`/api/v1/posts/${stored?.id}`, { data: body, headers: { Origin: site.url } });
    expect((await patch({ text: `${text} elsewhere` })).status()).toBe(200);
    await input.fill(`${text} here`);
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText(/edited meanwhile/).waitFor();
    await expectSound(page);
    expect((await author.posts.get(stored?.id ?? "")).text).toBe(`${text} elsewhere`);
    await page.getByRole("button", { name: "Load the current version" }).click();
    await expect.poll(() => input.inputValue()).toBe(`${text} elsewhere`);
    await input.fill(`${text} both`);
    await page.getByRole("button", { name: "Save" }).click();
    const card = post(page, `${text} both`);
    await card.getByRole("button", { name: "edited" }).click();
    const dialog = page.getByRole("dialog", { name: "Earlier versions" });
    await dialog.getByText(`${text} elsewhere`).waitFor();
    await expectSound(page);
    await dialog.getByRole("button", { name: "Close" }).click();
    await card.getByRole("button", { name: "More about this post" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await card.waitFor({ state: "detached" });
    await expectSound(page);
  });
});

describe("realtime", () => {
  test("new posts are announced, others are changed in place, also after the server was restarted", async () => {
    const old = await author.posts.create({ text: unique("old") });
    const { page } = await member(browser, site, "watcher", DESK);
    await page.goto("/?view=everyone");
    const card = post(page, old.text);
    await card.waitFor();
    const place = async () => (await card.boundingBox())?.y;
    const before = await place();
    // Until the page is subscribed, a post is not announced.
    let created = 0;
    const pill = page.getByRole("button", { name: /new posts?$/ });
    await expect
      .poll(async () => {
        created++;
        await author.posts.create({ text: `${old.text} newer ${created}` });
        return pill.isVisible();
      })
      .toBe(true);
    expect(await place()).toBe(before);
    await expectSound(page);
    await pill.click();
    await post(page, `${old.text} newer ${created}`).waitFor();
    await pill.waitFor({ state: "detached" });

    await author.posts.update(old.id, { text: `${old.text} edited` });
    await post(page, `${old.text} edited`).waitFor();
    await author.posts.like(old.id);
    await post(page, `${old.text} edited`).getByRole("link", { name: "1 like" }).waitFor();
    await author.posts.delete(old.id);
    await post(page, `${old.text} edited`).waitFor({ state: "detached" });

    await site.kill();
    await page.getByText("Connecting again …").waitFor();
    await site.restart();
    const late = await author.posts.create({ text: unique("late") });
    await pill.click({ timeout: 40_000 });
    await post(page, late.text).waitFor();
  });

  test("a tab that becomes visible again looks for new posts, also that of a visitor", async () => {
    const page = await visit(browser, site, PHONE);
    await page.goto("/");
    await page.getByRole("article").first().waitFor();
    const { text } = await author.posts.create({ text: unique("meanwhile") });
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
    await page.getByRole("button", { name: "1 new post" }).click();
    await post(page, text).waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("page");
  });

  test("comments and replies appear while they are read", async () => {
    const { id } = await author.posts.create({ text: unique("thread") });
    const { page, username } = await member(browser, site, "commenter", PHONE);
    await page.goto(`/posts/${id}`);
    await page.getByText("No comments yet").waitFor();
    await page.getByRole("textbox", { name: "Write a comment" }).fill("A first comment");
    await page.getByRole("button", { name: "Send" }).click();
    const mine = page.getByRole("article", { name: `Comment by ${username.split("_")[0]}` });
    await mine.getByText("A first comment").waitFor();
    await page.getByRole("heading", { name: "1 comment" }).waitFor();
    await expectSound(page);

    const [comment] = await author.comments.list(id).take(1);
    const parent = comment?.id ?? "";
    await page.getByRole("button", { name: "Reply" }).click();
    await page.getByText(/^Reply to/).waitFor();
    await page.keyboard.type("And a reply");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByRole("article").getByText("And a reply").waitFor();
    const reply = await author.comments.create(id, { text: "From another device", parent_id: parent });
    await page.getByText("From another device", { exact: true }).waitFor();
    await page
      .getByRole("status")
      .getByText(/^New comment by/)
      .waitFor({ state: "attached" });
    await author.comments.update(reply.id, { text: "Edited on another device" });
    await page.getByText("Edited on another device").waitFor();
    await author.comments.like(parent);
    await author.comments.delete(reply.id);
    await page.getByText("Edited on another device").waitFor({ state: "detached" });
    await page.getByRole("heading", { name: "2 comments" }).waitFor();

    const menu = mine.getByRole("button", { name: "More about this comment" });
    await menu.first().click();
    await page.getByRole("menuitem", { name: "Edit" }).click();
    await page.getByRole("textbox", { name: "Edit comment" }).fill("An edited comment");
    await page.getByRole("button", { name: "Save" }).click();
    await mine.getByText("An edited comment").waitFor();
    await expectSound(page);
    await menu.first().click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    // Its reply is still there.
    await page.getByText("This comment was deleted.").waitFor();
    await page.getByText("And a reply").waitFor();
    await expectSound(page);
    await author.posts.delete(id);
    await page.getByText("This post is not here").waitFor();
  });
});
