// The app as people use it: the real server with the built app, and Chromium.
//
// `npm run build` first; BLEGRAM_BINARY is the server, CHROMIUM the browser.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import { PASSWORD, Server, unique } from "../../packages/client/test/e2e/server.js";

export { PASSWORD, unique };

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } as const;
export const DESK = { viewport: { width: 1280, height: 800 } } as const;

/** A server with the app. */
export const startSite = (settings: Record<string, string> = {}) =>
  Server.start({ BLEGRAM_SERVER__WEB: fileURLToPath(new URL("../../dist", import.meta.url)), ...settings });

export const startBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

/** The errors of each page: scripts that fail, and what the Content-Security-Policy blocks. */
const failures = new WeakMap<Page, string[]>();

/** Opens a page in a browser of its own, in English and light unless `options` say otherwise. */
export async function visit(browser: Browser, site: Server, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({
    ...DESK,
    baseURL: site.url,
    locale: "en-US",
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  const errors: string[] = [];
  failures.set(page, errors);
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // A server that does not answer is no error of the page.
    const isNetwork = /Failed to load resource|WebSocket connection to/.test(message.text());
    if (message.type() === "error" && !isNetwork) errors.push(message.text());
  });
  return page;
}

/** A browser that is logged in as a new account: signs up by the API, because one test of the form is enough. */
export async function member(browser: Browser, site: Server, name: string, options: BrowserContextOptions = {}) {
  const page = await visit(browser, site, options);
  const username = unique(name);
  const response = await page.request.post("/api/v1/auth/signup", {
    data: { username, password: PASSWORD, client: "browser", display_name: name },
    headers: { Origin: site.url },
  });
  expect(response.status(), await response.text()).toBe(201);
  return { page, username };
}

/** Nothing failed on the page, and axe finds no violation on it. Call it when the page has settled. */
export async function expectSound(page: Page): Promise<void> {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const axe = (window as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe;
    type Violation = { id: string; nodes: { html: string; failureSummary: string }[] };
    return (await axe.run()).violations.map(({ id, nodes }) => [id, nodes[0]?.html, nodes[0]?.failureSummary]);
  });
  expect(violations, page.url()).toEqual([]);
  expect(failures.get(page), page.url()).toEqual([]);
  // Nothing is wider than the screen.
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
}
