// Takes the pictures in docs/pictures from the demo community, or all pages in all looks:
//
//   blegram serve --demo
//   npm run pictures -w @blegram/app [-- --all FOLDER] [--site http://127.0.0.1:8080]

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values } = parseArgs({
  options: { all: { type: "string" }, site: { type: "string", default: "http://127.0.0.1:8080" } },
});
const PASSWORD = "small room with a sea view";
const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 } };

/** What docs/pictures shows: name, page, size, language, colours. */
const CHOSEN = [
  ["home", "home", "desk", "ko", "dark"],
  ["home-phone", "home", "phone", "ko", "dark"],
  ["post-phone", "post", "phone", "en", "light"],
  ["chat", "chat", "desk", "en", "light"],
  ["profile-phone", "profile", "phone", "ko", "light"],
  ["explore", "explore", "desk", "en", "light"],
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

async function open(size, language, colours, login) {
  const context = await browser.newContext({
    baseURL: values.site,
    viewport: SIZES[size],
    deviceScaleFactor: size === "phone" ? 2 : 1,
    locale: language === "ko" ? "ko-KR" : "en-US",
    colorScheme: colours,
    reducedMotion: "reduce",
    timezoneId: "Asia/Seoul",
  });
  if (login) {
    const response = await context.request.post("/api/v1/auth/login", {
      data: { login: language === "ko" ? "haneul" : "ann", password: PASSWORD, client: "browser" },
      headers: { Origin: values.site },
    });
    if (!response.ok()) throw new Error(await response.text());
  }
  return context;
}

/** The pages, by name. Some are of what the community has posted. */
async function pagesOf(context) {
  const get = async (path) => (await context.request.get(`/api/v1${path}`)).json();
  const { items: posts } = await get("/timelines/public?limit=100");
  const best = posts.filter((post) => post.media.length > 0).sort((a, b) => b.comment_count - a.comment_count)[0];
  const pages = {
    home: "/",
    post: `/posts/${best.id}`,
    profile: `/@${best.author.username}`,
    tag: `/tags/${encodeURIComponent(best.hashtags[0] ?? "sea")}`,
    explore: "/explore",
    search: "/search?q=sea",
    followers: `/@${best.author.username}/followers`,
    settings: "/settings",
    missing: "/nowhere",
  };
  const { items: conversations } = await get("/conversations").catch(() => ({}));
  if (!conversations) return { ...pages, login: "/login", signup: "/signup", forgot: "/forgot-password" };
  const chat = conversations.find(({ kind }) => kind === "group") ?? conversations[0];
  const sections = ["profile", "username", "email", "storage", "password", "second-factor", "sessions"];
  sections.push("logins", "privacy", "blocked", "muted", "language", "appearance", "delete", "about");
  return {
    ...pages,
    new: "/new",
    notifications: "/notifications",
    messages: "/messages",
    chat: `/messages/${chat?.id ?? ""}`,
    bookmarks: "/bookmarks",
    liked: "/liked",
    requests: "/follow-requests",
    ...Object.fromEntries(sections.map((section) => [`settings-${section}`, `/settings/${section}`])),
  };
}

async function take(context, path, file) {
  const page = await context.newPage();
  page.setDefaultTimeout(5_000);
  await page.goto(path);
  await page.locator("h1").first().waitFor();
  // What is visible has loaded, or will not.
  await page
    .waitForFunction(() =>
      [...document.images].every((image) => image.complete || image.getBoundingClientRect().top > innerHeight),
    )
    .catch(() => {});
  await page.evaluate(() =>
    Promise.all([...document.images].filter((image) => image.complete).map((image) => image.decode().catch(() => {}))),
  );
  await page
    .locator('[role="status"] svg, [class*="skeleton"]')
    .first()
    .waitFor({ state: "detached" })
    .catch(() => {});
  await page.screenshot({ path: file, type: "jpeg", quality: 82 });
  await page.close();
}

if (values.all) {
  mkdirSync(values.all, { recursive: true });
  for (const size of Object.keys(SIZES)) {
    for (const [language, colours] of [
      ["ko", "light"],
      ["en", "dark"],
    ]) {
      for (const login of [true, false]) {
        const context = await open(size, language, colours, login);
        for (const [name, path] of Object.entries(await pagesOf(context))) {
          await take(context, path, `${values.all}/${name}-${size}-${colours}${login ? "" : "-visitor"}.jpg`);
        }
        await context.close();
      }
    }
  }
} else {
  const folder = fileURLToPath(new URL("../../../docs/pictures/", import.meta.url));
  mkdirSync(folder, { recursive: true });
  for (const [name, page, size, language, colours] of CHOSEN) {
    const context = await open(size, language, colours, true);
    await take(context, (await pagesOf(context))[page], `${folder}${name}.jpg`);
    await context.close();
  }
}
await browser.close();
