// What the tests of people share.

import type { Page } from "playwright-core";
import { expect } from "vitest";
import type { Server } from "../../packages/client/test/e2e/server.js";

/** Something that the account of a page does elsewhere. */
export async function write(site: Server, page: Page, method: string, path: string, data: object = {}) {
  const response = await page.request.fetch(`/api/v1${path}`, { method, headers: { Origin: site.url }, data });
  expect(response.ok(), await response.text()).toBe(true);
}

export const post = (site: Server, page: Page, text: string) => write(site, page, "POST", "/posts", { text });

/** A post with a photo, which is a picture of the page. */
export async function postPhoto(site: Server, page: Page, text: string, alt: string) {
  const upload = await page.request.post("/api/v1/media", {
    headers: { Origin: site.url },
    multipart: { file: { name: "a.png", mimeType: "image/png", buffer: await page.screenshot() }, alt },
  });
  const { items } = await upload.json();
  await write(site, page, "POST", "/posts", { text, media_ids: [items[0].id] });
}

export const main = (page: Page) => page.getByRole("main");
export const button = (page: Page, name: string | RegExp) => main(page).getByRole("button", { name });

/** Opens a page in the app, without loading it again: what is cached stays. */
export async function go(page: Page, path: string) {
  await page.evaluate((to) => {
    history.pushState({}, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, path);
}

/** Chooses from the menu of a user. */
export async function choose(page: Page, about: string, item: string) {
  await button(page, new RegExp(`^More about ${about}`)).click();
  await page.getByRole("menuitem", { name: item, exact: true }).click();
}

/** The answer of the server to a write that it rejects. */
export const REJECTED = {
  status: 403,
  contentType: "application/problem+json",
  body: JSON.stringify({ code: "forbidden", status: 403, title: "", detail: "" }),
};
