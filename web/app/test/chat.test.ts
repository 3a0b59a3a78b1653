// Conversations as people have them: two browsers, and a server that is killed in between.

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { uuid7 } from "../../packages/client/src/environment.js";
import { PHOTO } from "../../packages/client/test/e2e/photo.js";
import { DESK, expectSound, member, PHONE, startBrowser, startSite } from "./harness.js";

let site: Awaited<ReturnType<typeof startSite>>;
let browser: Browser;
beforeAll(async () => {
  // Devices report what they have received with each heartbeat.
  [site, browser] = await Promise.all([startSite({ BLEGRAM_GATEWAY__HEARTBEAT_SECONDS: "1" }), startBrowser()]);
});
/** The server was killed. */
let isDown = false;
const crash = async () => {
  isDown = true;
  await site.kill("SIGKILL");
};
const revive = async () => {
  if (isDown) await site.restart();
  isDown = false;
};
// Also if the test before has failed.
beforeEach(revive);
afterAll(async () => {
  await browser?.close();
  await site?.stop();
});

type Person = Awaited<ReturnType<typeof member>>;
const KOREAN_PHONE = { ...PHONE, locale: "ko-KR", colorScheme: "dark" } as const;

/** Calls the API as a person. */
async function api<T>(
  { page }: Person,
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  data?: object,
): Promise<T> {
  const response = await page.request.fetch(`/api/v1${path}`, {
    method,
    headers: { Origin: site.url },
    ...(data && { data }),
  });
  if (!response.ok()) throw new Error(await response.text());
  return (response.status() === 204 ? undefined : await response.json()) as T;
}

const start = (one: Person, ...others: Person[]) =>
  api<{ id: string }>(one, "POST", "/conversations", {
    members: others.map(({ username }) => `@${username}`),
    ...(others.length > 1 && { title: "Walkers" }),
  });

const until = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });

let ids = 0;
const send = (person: Person, conversation: string, text: string, more: object = {}) =>
  api<{ id: string }>(person, "POST", `/conversations/${conversation}/messages`, {
    client_id: uuid7({ now: () => Date.now() + ids++, random: Math.random } as never),
    text,
    ...more,
  });

const log = (page: Page) => page.getByRole("log");
const field = (page: Page) => page.getByRole("textbox", { name: /^(Message|메시지)$/ });
const bubble = (page: Page, text: string | RegExp) => log(page).getByRole("article").filter({ hasText: text });
/** What the log shows of some texts, in its order. */
const shown = async (page: Page, texts: string[]) =>
  ((await log(page).textContent()) ?? "").match(new RegExp(texts.join("|"), "g")) ?? [];

/** Chooses from the menu of a message. */
async function choose(page: Page, text: string, item: string | RegExp): Promise<void> {
  const row = bubble(page, text).first();
  await row.hover();
  await row.getByRole("button", { name: /Actions|메뉴/ }).click();
  await row.getByRole("menuitem", { name: item }).click();
}

/** Two people with a conversation that both have open. */
async function pair(more = {}) {
  const ann = await member(browser, site, "ann");
  const bob = await member(browser, site, "bob", { ...KOREAN_PHONE, ...more });
  const { id } = await start(ann, bob);
  await send(ann, id, "안녕하세요");
  await Promise.all([ann, bob].map(({ page }) => page.goto(`/messages/${id}`)));
  await Promise.all([ann, bob].map(({ page }) => bubble(page, "안녕하세요").waitFor()));
  return { ann, bob, id };
}

describe("two people", () => {
  test("chat, and lose nothing although the server is killed: each message once, in order, on both screens", async () => {
    const ann = await member(browser, site, "ann");
    const bob = await member(browser, site, "bob", KOREAN_PHONE);
    await api(ann, "PUT", `/users/@${bob.username}/follow`);

    // The connection can be held off, as by a bad network.
    let isHeldOff = false;
    await ann.page.routeWebSocket(/\/gateway/, (socket) => {
      if (isHeldOff) void socket.close();
      else socket.connectToServer();
    });

    // Ann finds Bob, and writes. His list shows it without a reload.
    await bob.page.goto("/messages");
    await bob.page.getByText("아직 메시지가 없습니다").waitFor();
    await ann.page.goto("/messages");
    await ann.page.getByRole("button", { name: "New message" }).first().click();
    await ann.page.getByRole("searchbox", { name: "Search people" }).fill(bob.username);
    await ann.page.getByRole("button", { name: bob.username }).click();
    await ann.page.getByRole("button", { name: "Start" }).click();
    await field(ann.page).fill("Are you there?");
    await field(ann.page).press("Enter");
    const entry = bob.page.getByRole("link", { name: /ann.*Are you there\?/ });
    await entry.getByText("읽지 않은 메시지 1개").waitFor();
    await bubble(ann.page, "Are you there?").getByText("Delivered").waitFor({ timeout: 40_000 });
    await expectSound(bob.page);
    await entry.click();
    await bubble(ann.page, "Are you there?").getByText("Read", { exact: true }).waitFor();

    await field(bob.page).pressSequentially("네");
    await ann.page.getByText("bob is typing …").waitFor();
    await bob.page.getByRole("button", { name: "보내기" }).click();
    await bubble(ann.page, "네").waitFor();
    // Screen readers are informed.
    await ann.page.locator('[aria-live="polite"]').getByText("bob: 네").waitFor({ state: "attached" });
    await until(() => ann.page.getByText("bob is typing …").count()).toBe(0);

    await crash();
    for (const text of ["one", "two", "three"]) {
      await field(ann.page).fill(text);
      await field(ann.page).press("Enter");
    }
    for (const text of ["하나", "둘"]) {
      await field(bob.page).fill(text);
      await bob.page.getByRole("button", { name: "보내기" }).click();
    }
    await until(() => bubble(bob.page, "전송 대기 중").count()).toBe(2);
    await bubble(ann.page, "three").getByText("Waiting to be sent").waitFor();
    await expectSound(bob.page);

    // Ann loads the page again, and sees what she has not sent yet, although there is no connection.
    isHeldOff = true;
    await revive();
    await ann.page.reload();
    const waiting = bubble(ann.page, "Waiting to be sent");
    await until(() =>
      waiting.allTextContents().then((all) => all.map((text) => text.match(/one|two|three/)?.[0])),
    ).toEqual(["one", "two", "three"]);
    isHeldOff = false;

    const texts = ["Are you there\\?", "네", "하나", "둘", "one", "two", "three"];
    for (const { page } of [ann, bob]) {
      await until(() => shown(page, texts)).toHaveLength(texts.length);
      const all = await shown(page, texts);
      expect(all.filter((text) => /[a-z]{3}$/.test(text))).toEqual(["one", "two", "three"]);
      expect(all.filter((text) => /하나|둘/.test(text))).toEqual(["하나", "둘"]);
      await until(() => bubble(page, /Waiting to be sent|전송 대기 중/).count()).toBe(0);
      await expectSound(page);
    }
    expect(await shown(ann.page, texts)).toEqual(await shown(bob.page, texts));
  });

  test("edit, unsend, reply and copy, and see it at once", async () => {
    const { ann, bob } = await pair();
    await field(ann.page).fill("Teh exit is number 3");
    await field(ann.page).press("Enter");
    await bubble(bob.page, "Teh exit").waitFor();

    await choose(ann.page, "Teh exit", "Edit the message");
    await field(ann.page).fill("The exit is number 3");
    await field(ann.page).press("Enter");
    await bubble(bob.page, "The exit is number 3").getByText("수정됨").waitFor();
    expect(await bubble(bob.page, "Teh").count()).toBe(0);

    await choose(bob.page, "The exit", "답장");
    await field(bob.page).fill("고마워요");
    await bob.page.getByRole("button", { name: "보내기" }).click();
    await ann.page.getByRole("button", { name: "Reply to: ann The exit is number 3" }).waitFor();

    await choose(ann.page, "고마워요", "Copy text");
    await ann.page.getByText("Copied.").waitFor();
    await field(ann.page).press("Control+v");
    expect(await field(ann.page).inputValue()).toBe("고마워요");
    await field(ann.page).fill("");

    await choose(ann.page, "The exit", "Unsend");
    await ann.page.getByRole("dialog").getByRole("button", { name: "Unsend" }).click();
    await bubble(bob.page, "삭제된 메시지입니다").first().waitFor();
    expect(await bubble(bob.page, "The exit").count()).toBe(0);
    await Promise.all([expectSound(ann.page), expectSound(bob.page)]);
  });

  test("a message that is rejected can be sent again, or deleted", async () => {
    const { ann, bob } = await pair();
    await api(bob, "PUT", `/users/@${ann.username}/block`);
    await field(ann.page).fill("Hello?");
    await field(ann.page).press("Enter");
    const failed = bubble(ann.page, "Hello?");
    await failed
      .getByRole("alert")
      .getByText(/^Not sent/)
      .waitFor();
    await ann.page.reload();
    await failed.getByRole("button", { name: "Send again" }).click();
    await failed.getByRole("alert").waitFor();
    await expectSound(ann.page);
    await failed.getByRole("button", { name: "Delete" }).click();
    await until(() => failed.count()).toBe(0);
    await ann.page.reload();
    await bubble(ann.page, "안녕하세요").waitFor();
    expect(await failed.count()).toBe(0);
  });

  test("send photos, described, and look at them", async () => {
    const { ann, bob } = await pair();
    const photo = (name: string) => ({ name, mimeType: "image/png", buffer: Buffer.from(PHOTO) });
    await ann.page.locator('input[type="file"]').setInputFiles([photo("a.png"), photo("b.png")]);
    const video = Buffer.from("\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "latin1");
    await ann.page.locator('input[type="file"]').setInputFiles({ name: "c.mp4", mimeType: "video/mp4", buffer: video });
    await ann.page.getByRole("status").getByText(/video/i).waitFor();
    await ann.page.getByRole("button", { name: "Describe photo 1" }).click();
    await ann.page.getByRole("textbox", { name: "Description" }).fill("A sunset");
    await ann.page.getByRole("button", { name: "Save" }).click();
    await ann.page.getByRole("dialog").waitFor({ state: "detached" });
    await expectSound(ann.page);
    await ann.page.getByRole("button", { name: "Remove photo 2" }).click();
    await ann.page.getByRole("button", { name: "Send", exact: true }).click();
    await bob.page.getByRole("button", { name: "사진 열기: A sunset" }).click();
    await bob.page.getByRole("dialog", { name: "사진" }).getByText("A sunset").waitFor();
    await expectSound(bob.page);
    await bob.page.getByRole("button", { name: "닫기" }).click();
    // The second photo was not sent.
    expect(
      await log(bob.page)
        .getByRole("button", { name: /사진 열기/ })
        .count(),
    ).toBe(1);
  });
});

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

describe("writing", () => {
  test("Enter belongs to the input method while a syllable is composed; the text is sent once and whole", async () => {
    const { ann, bob } = await pair();
    const input = await ann.page.context().newCDPSession(ann.page);
    const compose = (text: string) =>
      input.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
    await field(ann.page).focus();
    await compose("반가워");
    await until(() => field(ann.page).inputValue()).toBe("반가워");
    // As macOS reports it: Enter, handled by the input method.
    const key = { key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 };
    await input.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...key });
    await input.send("Input.dispatchKeyEvent", { type: "keyUp", ...key });
    expect(await field(ann.page).inputValue()).toBe("반가워");
    await compose("반가워요");
    await input.send("Input.insertText", { text: "반가워요" });
    await field(ann.page).press("Enter");
    await bubble(bob.page, "반가워요").waitFor();
    expect(await field(ann.page).inputValue()).toBe("");

    // The button ends the composition, and takes the last syllable along.
    await compose("끝");
    await ann.page.getByRole("button", { name: "Send", exact: true }).click();
    await bubble(bob.page, "끝").waitFor();
    expect(await field(ann.page).inputValue()).toBe("");
    expect(await shown(bob.page, ["반가워요?", "끝"])).toEqual(["반가워요", "끝"]);
  });

  test("Enter sends on desks and breaks the line on phones; Shift+Enter breaks it everywhere", async () => {
    const { ann, bob } = await pair();
    await field(ann.page).pressSequentially("one");
    await field(ann.page).press("Shift+Enter");
    await field(ann.page).pressSequentially("two");
    await field(ann.page).press("Enter");
    await bubble(bob.page, "one\ntwo").waitFor();
    await field(bob.page).pressSequentially("하나");
    await field(bob.page).press("Enter");
    await field(bob.page).pressSequentially("둘");
    expect(await field(bob.page).inputValue()).toBe("하나\n둘");
  });

  test("what was not sent is there again, and the limits count what the server counts", async () => {
    const { ann } = await pair();
    await field(ann.page).fill("a plan for tomorrow");
    await ann.page.reload();
    await until(() => field(ann.page).inputValue()).toBe("a plan for tomorrow");
    await ann.page.goto("/messages");
    await ann.page.getByText("Draft: a plan for tomorrow").waitFor();
    await ann.page.getByRole("link", { name: /Draft/ }).click();

    await field(ann.page).fill("가".repeat(1990));
    await ann.page.getByText("1,990 of 2,000 characters").waitFor();
    await field(ann.page).fill("👨‍👩‍👧‍👦".repeat(400));
    await ann.page.getByText("9.8 of 8 KB").waitFor();
    expect(await ann.page.getByRole("button", { name: "Send", exact: true }).isDisabled()).toBe(true);
    await expectSound(ann.page);
    await field(ann.page).fill("short");
    await field(ann.page).press("Enter");
    await bubble(ann.page, "short").waitFor();
    await ann.page.reload();
    await bubble(ann.page, "short").waitFor();
    expect(await field(ann.page).inputValue()).toBe("");
  });
});

describe("more than two", () => {
  test("a group is created, renamed, extended, reduced and left", async () => {
    const [ann, bob, cleo] = [
      await member(browser, site, "ann"),
      await member(browser, site, "bob", KOREAN_PHONE),
      await member(browser, site, "cleo"),
    ] as const;
    await Promise.all([bob.page.goto("/messages"), cleo.page.goto("/messages")]);
    await bob.page.getByText("아직 메시지가 없습니다").waitFor();
    const dan = await member(browser, site, "dan");

    await ann.page.goto("/messages");
    await ann.page.getByRole("button", { name: "New message" }).first().click();
    for (const { username } of [bob, cleo]) {
      await ann.page.getByRole("searchbox").fill(username);
      await ann.page.getByRole("button", { name: username }).click();
    }
    await ann.page.getByRole("textbox", { name: "Name of the group" }).fill("Walkers");
    await expectSound(ann.page);
    await ann.page.getByRole("button", { name: "Create the group" }).click();
    await ann.page.getByRole("heading", { name: "Walkers" }).waitFor();
    await bob.page.getByRole("link", { name: /Walkers/ }).click();

    await ann.page.getByRole("button", { name: "Details" }).click();
    await ann.page.getByRole("textbox", { name: "Name of the group" }).fill("Weekend walkers");
    await ann.page.getByRole("button", { name: "Save the name" }).click();
    await bob.page.getByRole("heading", { name: "Weekend walkers" }).waitFor();
    await ann.page.getByRole("button", { name: "Add people" }).click();
    await ann.page.getByRole("searchbox").fill(dan.username);
    await ann.page.getByRole("button", { name: dan.username }).click();
    await ann.page.getByRole("button", { name: "Add", exact: true }).click();
    await bob.page.getByText("참여자 4명").waitFor();
    await expectSound(ann.page);

    await ann.page.getByRole("button", { name: "Remove cleo" }).click();
    await ann.page
      .getByRole("dialog", { name: /Remove cleo/ })
      .getByRole("button", { name: "Remove cleo" })
      .click();
    await bob.page.getByText("참여자 3명").waitFor();
    await cleo.page.getByText("No messages yet").waitFor();
    await ann.page.getByRole("switch", { name: "Mute" }).click();
    await ann.page.getByRole("dialog").getByRole("button", { name: "Close" }).click();

    // A muted conversation does not count.
    await field(bob.page).fill("토요일 열 시");
    await bob.page.getByRole("button", { name: "보내기" }).click();
    await bubble(ann.page, "토요일 열 시").waitFor();
    await bubble(bob.page, "1명 읽음").waitFor();
    await choose(bob.page, "토요일 열 시", "읽은 사람");
    await bob.page.getByRole("dialog").getByRole("link", { name: /ann/ }).waitFor();
    await expectSound(bob.page);
    await bob.page.getByRole("dialog").getByRole("button", { name: "닫기" }).click();

    await bob.page.getByRole("button", { name: "대화 정보" }).click();
    await bob.page.getByRole("button", { name: "그룹 나가기" }).click();
    await bob.page.getByRole("dialog").getByRole("button", { name: "그룹 나가기" }).click();
    await bob.page.getByText("아직 메시지가 없습니다").waitFor();
    await ann.page.getByText("2 members").waitFor();
  });

  test("two tabs show each message once, and one sends what the other has left when it is closed", async () => {
    const { ann, bob, id } = await pair();
    const other = await ann.page.context().newPage();
    await other.goto(`/messages/${id}`);
    await field(other).fill("from the second tab");
    await field(other).press("Enter");
    for (const page of [ann.page, other, bob.page])
      await until(() => bubble(page, "from the second tab").count()).toBe(1);
    await bubble(ann.page, "from the second tab").waitFor();

    await crash();
    await field(other).fill("left behind");
    await field(other).press("Enter");
    await bubble(other, "left behind").getByText("Waiting to be sent").waitFor();
    await other.close();
    await bubble(ann.page, "left behind").waitFor();
    await revive();
    await until(() => bubble(bob.page, "left behind").count()).toBe(1);
    await until(() => bubble(ann.page, "left behind").count()).toBe(1);
  });
});
