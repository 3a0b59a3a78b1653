import { describe, expect, test } from "vitest";
import { complete, tokenAt } from "./token";

const at = (text: string) => tokenAt(text.replace("|", ""), text.indexOf("|"));

describe("the token before the caret", () => {
  test("is a name or a hashtag", () => {
    expect(at("hello @ann| and")).toEqual({ kind: "@", query: "ann", start: 6 });
    expect(at("#제주|")).toEqual({ kind: "#", query: "제주", start: 0 });
    expect(at("(@ann.l|")).toEqual({ kind: "@", query: "ann.l", start: 1 });
  });

  test("includes the syllable that is being composed", () => {
    expect(at("@하느|")?.query).toBe("하느");
    expect(at("#ㅈ|")?.query).toBe("ㅈ");
    expect(at(`#${"제".normalize("NFD")}|`)?.query).toBe("제");
  });

  test("ends with a space, and needs a character", () => {
    for (const text of ["@ann |", "#|", "@|", "ann|", "|@ann"]) expect(at(text)).toBeUndefined();
  });

  test("is none inside of addresses", () => {
    for (const text of ["mail@ann|", "https://a.example/#top|", "a#b|", "&#39|"]) expect(at(text)).toBeUndefined();
  });
});

test("a completed token is followed by one space", () => {
  const finish = (text: string, name: string) => {
    const caret = text.indexOf("|");
    const plain = text.replace("|", "");
    const token = tokenAt(plain, caret);
    if (!token) throw new Error("no token");
    const done = complete(plain, token, caret, name);
    return `${done.text.slice(0, done.caret)}|${done.text.slice(done.caret)}`;
  };
  expect(finish("안녕 @하|", "하늘")).toBe("안녕 @하늘 |");
  expect(finish("see #je| now", "jeju")).toBe("see #jeju |now");
  expect(finish("@a|님", "ann")).toBe("@ann |님");
});
