// Sites and helpers for the tests of accounts: at a domain name, which passkeys need, and with the commands of the operator.

import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import { PASSWORD, startSite, unique, visit } from "./harness.js";

const run = promisify(execFile);

/** A site at `http://localhost`: a domain name and a secure context, so that browsers have passkeys. */
export async function startAccountSite(settings: Record<string, string> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "blegram-accounts-"));
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const environment = {
    BLEGRAM_SERVER__LISTEN: `127.0.0.1:${port}`,
    BLEGRAM_SERVER__PUBLIC_URL: url,
    BLEGRAM_SERVER__DATA_DIR: folder,
    ...settings,
  };
  const server = await startSite(environment);
  return {
    url,
    /** Opens a page in a browser of its own. */
    visit: (browser: Browser, options: BrowserContextOptions = {}) =>
      visit(browser, server, { baseURL: url, ...options }),
    /** A browser that is logged in as a new account. */
    async member(browser: Browser, name: string, options: BrowserContextOptions = {}) {
      const page = await visit(browser, server, { baseURL: url, ...options });
      const username = unique(name);
      await call(page, url, "POST", "/auth/signup", { username, password: PASSWORD, client: "browser" });
      return { page, username };
    },
    /** Logs a browser in by the API. */
    logIn: (page: Page, username: string, password = PASSWORD) =>
      call(page, url, "POST", "/auth/login", { login: username, password, client: "browser" }),
    /** A call of the API with the session of the browser. */
    call: (page: Page, method: string, path: string, data?: unknown) => call(page, url, method, path, data),
    /** A command of the operator, such as `user set-role`. */
    operate: (...args: string[]) => run(process.env["BLEGRAM_BINARY"] ?? "", args, { cwd: folder, env: environment }),
    /** The mails that were sent to an address, the latest last. */
    async mailsTo(address: string): Promise<string[]> {
      const names = (await readdir(join(folder, "mail"))).sort();
      const mails = await Promise.all(names.map((name) => readFile(join(folder, "mail", name), "utf8")));
      return mails.filter((mail) => mail.includes(`To: ${address}`) || mail.includes(`To: <${address}>`));
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type AccountSite = Awaited<ReturnType<typeof startAccountSite>>;

async function call(page: Page, url: string, method: string, path: string, data?: unknown): Promise<unknown> {
  const response = await page.request.fetch(`/api/v1${path}`, {
    method,
    headers: { Origin: url },
    ...(data === undefined ? {} : { data }),
  });
  expect(response.ok(), `${method} ${path}: ${await response.text()}`).toBe(true);
  return response.status() === 204 ? undefined : response.json();
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, "close");
  return port;
}

/** Waits until the page has an address. */
export const at = (page: Page, path: string) => page.waitForURL((url) => url.pathname + url.search === path);

/** The code of an authenticator app (RFC 6238). The server accepts each once, and also that of the next step. */
export function totp(secret: string, step: "now" | "next" = "now"): string {
  const counter = Buffer.alloc(8);
  counter.writeBigInt64BE(BigInt(Math.floor(Date.now() / 30_000) + (step === "next" ? 1 : 0)));
  const digest = createHmac("sha1", base32(secret)).update(counter).digest();
  const offset = (digest.at(-1) ?? 0) & 15;
  return String((digest.readUInt32BE(offset) & 0x7fff_ffff) % 1_000_000).padStart(6, "0");
}

function base32(text: string): Buffer {
  const bits = [...text.replace(/[ =]/g, "")]
    .map((character) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(character).toString(2).padStart(5, "0"))
    .join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** Gives a page an authenticator of the device that confirms everything. */
export async function addAuthenticator(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable", { enableUI: false });
  await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
}

/** Passkeys are not offered in the form by themselves: the virtual authenticator would log in at once. */
export const withoutOfferedPasskeys = (page: Page) =>
  page.addInitScript(() => {
    if (typeof PublicKeyCredential === "function")
      PublicKeyCredential.isConditionalMediationAvailable = async () => false;
  });
