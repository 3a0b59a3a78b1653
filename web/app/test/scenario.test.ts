// Two people, two browsers, one evening: what the app is for.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PHOTO } from "../../packages/client/test/e2e/photo.js";
import { field } from "./conversations.js";
import { expectSound, member, PHONE, startBrowser, startSite } from "./harness.js";

let site: Awaited<ReturnType<typeof startSite>>;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([startSite(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await site?.stop();
});

test("a photo is posted, seen and commented live, and a chat survives the restart of the server", async () => {
  const ann = await member(browser, site, "ann");
  const bob = await member(browser, site, "bob", { ...PHONE, locale: "ko-KR", colorScheme: "dark" });

  // Bob follows Ann, and waits on his home page.
  await bob.page.goto(`/@${ann.username}`);
  await bob.page.getByRole("button", { name: /^팔로우/ }).click();
  await bob.page.getByRole("button", { name: /^팔로잉/ }).waitFor();
  await bob.page.getByRole("link", { name: "홈", exact: true }).click();
  await bob.page.getByRole("heading", { name: "홈" }).waitFor();

  // Ann posts a photo.
  await ann.page.goto("/new");
  await ann.page.getByLabel("Text", { exact: true }).fill("노을 #제주");
  await ann.page
    .locator('input[type="file"]')
    .first()
    .setInputFiles({ name: "sunset.png", mimeType: "image/png", buffer: Buffer.from(PHOTO) });
  await ann.page.getByLabel("Description of photo 1").fill("The sun over the sea");
  await ann.page.getByRole("button", { name: "Post", exact: true }).click();
  await ann.page.getByRole("article").getByText("노을").waitFor();

  // Bob sees that there is something new, and opens it.
  await bob.page.getByRole("button", { name: /새 게시글/ }).click();
  const post = bob.page.getByRole("article").filter({ hasText: "노을" });
  await post.getByRole("img", { name: "The sun over the sea" }).waitFor();
  await expectSound(bob.page);
  await post.getByRole("link", { name: /댓글/ }).click();

  // Ann, who is on the page of her post, reads his comment without a reload.
  await ann.page
    .getByRole("article")
    .filter({ hasText: "노을" })
    .getByRole("link", { name: /comment/i })
    .click();
  await ann.page.getByRole("heading", { name: "Post" }).waitFor();
  await bob.page.getByLabel("댓글 쓰기").fill("어디예요?");
  await bob.page.getByRole("button", { name: "보내기", exact: true }).click();
  await ann.page.getByText("어디예요?").waitFor();
  await expectSound(ann.page);

  // They chat. The server is killed in between, and what Bob sends meanwhile arrives once.
  await ann.page.goto(`/@${bob.username}`);
  await ann.page
    .getByRole("main")
    .getByRole("button", { name: /^Follow back/ })
    .click();
  await ann.page.getByRole("button", { name: "Message", exact: true }).click();
  const annsText = field(ann.page);
  await annsText.fill("At Hyeopjae");
  await annsText.press("Enter");
  await ann.page.getByText("At Hyeopjae").first().waitFor();
  await bob.page.goto("/messages");
  await bob.page.getByRole("link", { name: /ann/ }).first().click();
  await bob.page.getByText("At Hyeopjae").first().waitFor();

  await site.kill("SIGKILL");
  const bobsText = field(bob.page);
  for (const text of ["하나", "둘", "셋"]) {
    await bobsText.fill(text);
    await bob.page.getByRole("button", { name: "보내기", exact: true }).click();
    await bob.page.getByText(text, { exact: true }).waitFor();
  }
  await site.restart();
  await ann.page.getByText("셋", { exact: true }).waitFor({ timeout: 60_000 });
  for (const page of [ann.page, bob.page]) {
    const log = page.getByRole("log");
    await expect.poll(async () => (await log.textContent())?.match(/하나|둘|셋/g)).toEqual(["하나", "둘", "셋"]);
    await expectSound(page);
  }
});
