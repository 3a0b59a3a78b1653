// What is unread, and long conversations.

import { describe, expect, test } from "vitest";
import { api, bubble, log, pair, send, until } from "./conversations.js";
import { DESK, expectSound } from "./harness.js";

describe("reading", () => {
  test("what is unread is in the title and the icon of the tab, until it is really visible", async () => {
    const { ann, bob, id } = await pair();
    await bob.page.goto("/");
    await bob.page.waitForFunction(() => document.title === "홈 · blegram");
    const icon = () =>
      bob.page.locator('link[rel="icon"][type="image/svg+xml"]').evaluate((link: HTMLLinkElement) => link.href);
    const plain = await icon();
    await send(ann, id, "first");
    await send(ann, id, "second");
    await bob.page.waitForFunction(() => document.title === "(2) 홈 · blegram");
    await until(icon).toMatch(/^data:image\/png/);
    await bob.page.getByRole("link", { name: /메시지.*읽지 않음 2개/ }).click();

    // The conversation is opened in a tab that is not visible.
    const hide = (isHidden: boolean) =>
      bob.page.evaluate((hidden) => {
        Object.defineProperty(document, "visibilityState", {
          value: hidden ? "hidden" : "visible",
          configurable: true,
        });
        document.dispatchEvent(new Event("visibilitychange"));
      }, isHidden);
    await hide(true);
    await bob.page.getByRole("link", { name: /ann/ }).click();
    await bubble(bob.page, "second").waitFor();
    await log(bob.page).getByText("여기부터 새 메시지").waitFor();
    // Whatever was to be marked has been marked when this later message is there.
    await send(ann, id, "third");
    await bubble(bob.page, "third").waitFor();
    expect((await api<{ unread_count: number }>(bob, "GET", `/conversations/${id}`)).unread_count).toBe(3);

    await hide(false);
    await bob.page.waitForFunction(() => document.title === "ann · blegram");
    await until(icon).toBe(plain);
    await until(
      async () => (await api<{ unread_count: number }>(bob, "GET", `/conversations/${id}`)).unread_count,
    ).toBe(0);
    await bubble(ann.page, "third").getByText("Read", { exact: true }).waitFor();
  });

  test("a long conversation opens at once, leads to an old message, and does not move while it is read", async () => {
    const { ann, bob, id } = await pair(DESK);
    const old = await send(ann, id, "the very first plan");
    for (let sent = 0; sent < 3000; sent += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, index) => send(ann, id, `message ${sent + index}`)));
    }
    await send(ann, id, "as we said", { reply_to: old.id });
    await bob.page.goto(`/messages/${id}`);
    await bubble(bob.page, "as we said").waitFor();
    await bob.page.getByRole("button", { name: "이전 메시지에 답장" }).click();
    const target = bubble(bob.page, "the very first plan").first();
    await until(() => target.evaluate((element) => element === document.activeElement)).toBe(true);
    // Only what is near is in the page, although all messages are known.
    expect(await log(bob.page).getByRole("article").count()).toBeLessThan(80);
    await bob.page.getByText("최신 메시지로").waitFor();

    // New messages do not move what is being read.
    const top = () => target.evaluate((element) => Math.round(element.getBoundingClientRect().top));
    await until(top).toBeGreaterThan(0);
    const before = await top();
    await send(ann, id, "news");
    const pill = bob.page.getByRole("button", { name: "새 메시지 1개" });
    await pill.waitFor();
    expect(await top()).toBe(before);
    await expectSound(bob.page);
    await pill.click();
    await bubble(bob.page, "news").waitFor();
    await until(() => pill.count()).toBe(0);
    // The quote has its text now.
    await bob.page.getByRole("button", { name: "답장한 메시지: ann the very first plan" }).waitFor();
  });

  test("older messages are put above without moving what is read", async () => {
    const { ann, bob, id } = await pair(DESK);
    for (let sent = 0; sent < 90; sent++) await send(ann, id, `line ${sent} .`);
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await bob.page.route(/messages\?limit=100/, async (route) => {
      await released;
      await route.continue();
    });
    await bob.page.goto(`/messages/${id}`);
    await bubble(bob.page, "line 89 .").waitFor();
    await log(bob.page).hover();
    await bob.page.mouse.wheel(0, -150);
    await bob.page.getByText("최신 메시지로").waitFor();
    const height = () => log(bob.page).evaluate((element) => element.scrollHeight);
    const top = () =>
      bubble(bob.page, "line 82 .").evaluate((element) => Math.round(element.getBoundingClientRect().top));
    const before = { height: await height(), top: await top() };
    release();
    await until(height).toBeGreaterThan(2 * before.height);
    await until(async () => Math.abs((await top()) - before.top)).toBeLessThanOrEqual(1);

    // By keyboard to the beginning.
    await log(bob.page).focus();
    await bob.page.keyboard.press("Home");
    await bob.page.getByText("대화의 시작입니다").waitFor();
    await bubble(bob.page, "안녕하세요").waitFor();
    await expectSound(bob.page);
  });
});
