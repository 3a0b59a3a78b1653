// Groups, and several tabs.

import { describe, test } from "vitest";
import { browser, bubble, choose, crash, field, KOREAN_PHONE, pair, revive, site, until } from "./conversations.js";
import { expectSound, member } from "./harness.js";

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
