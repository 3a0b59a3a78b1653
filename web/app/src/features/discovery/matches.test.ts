import { expect, test } from "vitest";
import { matchesIn } from "./matches";

const found = (text: string, query: string) => matchesIn(text, query).map(({ from, to }) => text.slice(from, to));

test("Hangul is found inside of words, other scripts from the beginning of a word", () => {
  expect(found("서울숲나들이, 한강", "서울 나들이")).toEqual(["서울", "나들이"]);
  expect(found("Category of a Cat", "cat")).toEqual(["Cat", "Cat"]);
  expect(found("concatenate", "cat")).toEqual([]);
});

test("signs of names and hashtags, and signs with a meaning in patterns, are no part of a word", () => {
  expect(found("#노을 (노을)", "#노을 (.*)")).toEqual(["노을", "노을"]);
  expect(found("a+b", "+")).toEqual([]);
  expect(found("ivan.k", "@ivan.k")).toEqual(["ivan", "k"]);
});

test("a longer word is not hidden by a shorter one, and the composition of the search does not matter", () => {
  expect(found("제주도", "제주 제주도")).toEqual(["제주도"]);
  expect(found("한글", "한글".normalize("NFD"))).toEqual(["한글"]);
  expect(found("ÉCLAIR", "éclair")).toEqual(["ÉCLAIR"]);
});
