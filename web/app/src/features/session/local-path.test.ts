import { expect, test } from "vitest";
import { localPath } from "./local-path";

test.each(["/", "/settings/password", "/search?q=%EB%85%B8%EC%9D%84&tab=posts", "/posts/1#comments", "/@haneul"])(
  "%s is a path of the site",
  (path) => {
    expect(localPath(path)).toBe(path);
  },
);

test.each([
  null,
  "",
  "settings",
  "https://other.example/",
  "//other.example/",
  "/\\other.example",
  "\\\\other.example",
  "/\t/other.example",
  "/.//other.example",
  "/a/..//other.example",
  "javascript:alert(1)",
])("%j leads home instead", (target) => {
  expect(localPath(target)).toBe("/");
});

test.each(["/login", "/login?next=%2Flogin", "/signup", "/forgot-password"])("%s would lead back to a form", (path) => {
  expect(localPath(path)).toBe("/");
});
