// Conversations as people have them: two browsers, and a server that is killed in between.

import { describe, expect, test } from "vitest";
import { PHOTO } from "../../packages/client/test/e2e/photo.js";
import {
  api,
  browser,
  bubble,
  choose,
  crash,
  field,
  found,
  KOREAN_PHONE,
  log,
  pair,
  revive,
  site,
  until,
} from "./conversations.js";
import { expectSound, member } from "./harness.js";

describe("two people", () => {
  test("chat, and lose nothing although the server is killed: each message once, in order, on both screens", async () => {
    const ann = await member(browser, site, "ann");
    const bob = await member(browser, site, "bob", KOREAN_PHONE);
    await api(ann, "PUT", `/users/@${bob.username}/follow`);

    // The connection can be held off, as by a bad network.
    let isBlocked = false;
    await ann.page.routeWebSocket(/\/gateway/, (socket) => {
      if (isBlocked) void socket.close();
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
    isBlocked = true;
    await revive();
    await ann.page.reload();
    const waiting = bubble(ann.page, "Waiting to be sent");
    await until(() =>
      waiting.allTextContents().then((all) => all.map((text) => text.match(/one|two|three/)?.[0])),
    ).toEqual(["one", "two", "three"]);
    isBlocked = false;

    const texts = ["Are you there\\?", "네", "하나", "둘", "one", "two", "three"];
    for (const { page } of [ann, bob]) {
      await until(() => found(page, texts)).toHaveLength(texts.length);
      const all = await found(page, texts);
      expect(all.filter((text) => /[a-z]{3}$/.test(text))).toEqual(["one", "two", "three"]);
      expect(all.filter((text) => /하나|둘/.test(text))).toEqual(["하나", "둘"]);
      await until(() => bubble(page, /Waiting to be sent|전송 대기 중/).count()).toBe(0);
      await expectSound(page);
    }
    expect(await found(ann.page, texts)).toEqual(await found(bob.page, texts));
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
