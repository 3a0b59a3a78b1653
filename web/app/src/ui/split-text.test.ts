import { describe, expect, test } from "vitest";
import { splitText } from "./split-text";

const links = (...args: Parameters<typeof splitText>) =>
  splitText(...args).flatMap((part) => (part.kind === "text" ? [] : [[part.text, part.to]]));

describe("links in texts", () => {
  test("the pieces are the text", () => {
    const text = "보기: https://example.org/a?b=1#c, #제주 그리고 @haneul님과 @ann.";
    const parts = splitText(text, ["제주"], ["haneul", "ann"]);
    expect(parts.map((part) => part.text).join("")).toBe(text);
    expect(parts.map((part) => part.kind)).toEqual([
      "text",
      "url",
      "text",
      "page",
      "text",
      "page",
      "text",
      "page",
      "text",
    ]);
  });

  test("hashtags are those of the server, in any spelling", () => {
    expect(links("#Jeju #jeju2 a#b", ["jeju"])).toEqual([["#Jeju", "/tags/jeju"]]);
    expect(links("#한".normalize("NFD"), ["한"])).toEqual([["#한", `/tags/${encodeURIComponent("한")}`]]);
  });

  test("names end where the server says", () => {
    expect(links("@제주사람님과", undefined, ["제주사람"])).toEqual([["@제주사람", "/@제주사람"]]);
    expect(links("@ann.lee, @ann. @bob mail@ann", undefined, ["ann", "ann.lee"])).toEqual([
      ["@ann.lee", "/@ann.lee"],
      ["@ann", "/@ann"],
    ]);
  });

  test("addresses end before punctuation", () => {
    expect(links("(https://ko.wikipedia.org/wiki/제주_(섬)). http://a.example/?q=1!")).toEqual([
      ["https://ko.wikipedia.org/wiki/제주_(섬)", "https://ko.wikipedia.org/wiki/제주_(섬)"],
      ["http://a.example/?q=1", "http://a.example/?q=1"],
    ]);
  });

  test("other schemes are text", () => {
    expect(links('javascript:alert(1) data:text/html,x "https://a.example/"onclick')).toEqual([
      ["https://a.example/", "https://a.example/"],
    ]);
  });
});
