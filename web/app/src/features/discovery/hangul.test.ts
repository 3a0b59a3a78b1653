import { describe, expect, test } from "vitest";
import { beforeLastKeys, keysOf } from "./hangul";

describe("hangul while it is typed", () => {
  test("every shape on the way to a word is a prefix of its keys", () => {
    const ways = [
      ["ㄴ", "노", "농", "노으", "노을", "노을ㅈ", "노을지", "노을집"],
      ["ㄱ", "고", "과", "광", "과이", "과일"],
      ["ㄷ", "다", "달", "닭", "달그", "달기"],
      ["ㅇ", "으", "의", "읮", "의자"],
    ];
    for (const way of ways) {
      const whole = keysOf(way.at(-1) ?? "");
      for (const shape of way.slice(0, -1)) {
        if (shape === "달그") continue;
        expect(whole.startsWith(keysOf(shape)), shape).toBe(true);
      }
    }
    expect(keysOf("달기").startsWith(keysOf("달그"))).toBe(false);
  });

  test("keys do not depend on the composition or the case", () => {
    expect(keysOf("한글 ABC".normalize("NFD"))).toBe("ㅎㅏㄴㄱㅡㄹ abc");
    expect(keysOf("깕")).toBe("ㄲㅏㄹㄱ");
    expect(keysOf("힣가")).toBe("ㅎㅣㅎㄱㅏ");
  });

  test("what was there before the last keys", () => {
    expect(beforeLastKeys("농")).toBe("노");
    expect(beforeLastKeys("노으")).toBe("노");
    expect(beforeLastKeys("제주ㄷ")).toBe("제주");
    expect(beforeLastKeys("제주 ㄷ")).toBe("제주");
    expect(beforeLastKeys("닭")).toBe("다");
    expect(beforeLastKeys("노")).toBeUndefined();
    expect(beforeLastKeys("ㄴ")).toBeUndefined();
    expect(beforeLastKeys("seoul")).toBeUndefined();
    expect(beforeLastKeys("")).toBeUndefined();
  });
});
