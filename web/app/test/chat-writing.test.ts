// Input methods, keys, drafts and limits.

import { describe, expect, test } from "vitest";
import { bubble, field, found, pair, until } from "./conversations.js";
import { expectSound } from "./harness.js";

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
    expect(await found(bob.page, ["반가워요?", "끝"])).toEqual(["반가워요", "끝"]);
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
