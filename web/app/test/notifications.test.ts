// Notifications, as they arrive and are read.

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
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

type Person = Awaited<ReturnType<typeof member>>;
const until = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });

async function api({ page }: Person, method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, data?: object) {
  const headers = { Origin: site.url };
  const response = await page.request.fetch(`/api/v1${path}`, { method, headers, ...(data && { data }) });
  if (!response.ok()) throw new Error(await response.text());
  return response.status() === 204 ? {} : await response.json();
}

test("each kind of notification arrives at once, says what happened and leads there", async () => {
  const ann = await member(browser, site, "ann");
  const bob = await member(browser, site, "bob");
  await ann.page.goto("/notifications");
  await ann.page.getByText("No notifications yet").waitFor();
  await expectSound(ann.page);
  const post = await api(ann, "POST", "/posts", { text: "the sea" });
  const comment = await api(ann, "POST", `/posts/${post.id}/comments`, { text: "my own comment" });

  await api(bob, "PUT", `/users/@${ann.username}/follow`);
  await api(bob, "PUT", `/posts/${post.id}/like`);
  await api(bob, "PUT", `/comments/${comment.id}/like`);
  const theirs = await api(bob, "POST", `/posts/${post.id}/comments`, { text: "how blue" });
  await api(bob, "POST", `/posts/${post.id}/comments`, { text: "since when?", parent_id: comment.id });
  const mention = await api(bob, "POST", "/posts", { text: `look, @${ann.username}` });

  const list = ann.page.getByRole("region", { name: "Notifications" });
  const row = (text: string) => list.getByRole("link").filter({ hasText: text });
  const to = (text: string) => row(text).getAttribute("href");
  await row("bob follows you.").waitFor();
  await row("bob mentioned you in a post.").waitFor();
  expect(await to("bob follows you.")).toBe(`/@${bob.username}`);
  expect(await to("bob likes your post.")).toBe(`/posts/${post.id}`);
  expect(await to("bob likes your comment: my own comment")).toBe(`/posts/${post.id}?comment=${comment.id}`);
  expect(await to("bob commented: how blue")).toBe(`/posts/${post.id}?comment=${theirs.id}`);
  expect(await to("bob replied: since when?")).toMatch(`/posts/${post.id}?comment=`);
  expect(await to("bob mentioned you in a post.")).toBe(`/posts/${mention.id}`);
  await list.getByRole("heading", { name: "Today" }).waitFor();
  await expectSound(ann.page);

  // What is undone disappears.
  await api(bob, "DELETE", `/posts/${post.id}/like`);
  await until(() => row("bob likes your post.").count()).toBe(0);
});

test("unread ones are counted and marked, and read when they are seen; requests lead to their page", async () => {
  const ann = await member(browser, site, "ann", { ...PHONE, locale: "ko-KR", colorScheme: "dark" });
  const bob = await member(browser, site, "bob");
  await api(ann, "PATCH", "/me", { is_private: true });
  await ann.page.goto("/");
  await ann.page.waitForFunction(() => document.title === "홈 · blegram");
  await api(bob, "PUT", `/users/@${ann.username}/follow`);
  await ann.page.waitForFunction(() => document.title === "(1) 홈 · blegram");
  await ann.page.getByRole("link", { name: "알림 읽지 않음 1개" }).click();

  const row = ann.page.getByRole("link", { name: /새 알림.*bob님이 팔로우를 요청했습니다/ });
  await row.waitFor();
  await ann.page.waitForFunction(() => document.title === "알림 · blegram");
  // It stays marked as long as the page is open, although it counts as read.
  expect(await row.count()).toBe(1);
  expect(await row.getAttribute("href")).toBe("/follow-requests");
  await expectSound(ann.page);
  await ann.page.reload();
  await ann.page.getByText("bob님이 팔로우를 요청했습니다").waitFor();
  expect(await row.count()).toBe(0);
});
