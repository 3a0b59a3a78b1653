// The real server, with data of its own, on a free port that it has again after a restart.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import type { Environment, TokenAuthOptions, TokenStore } from "../../src/index.js";
import { createClient, memoryStore, tokenAuth } from "../../src/index.js";

/** Limits that a developer does not reach, but a test does. */
const LIMITS = ["LOGIN_PER_ADDRESS", "LOGIN_PER_ACCOUNT_AND_ADDRESS", "SIGNUP_FROM_LOOPBACK", "SIGNUP_PER_ADDRESS"];

export const PASSWORD = "correct horse battery staple";

export class Server {
  #process: ChildProcess | undefined;
  #port = 0;
  #log = "";

  private constructor(
    private readonly folder: string,
    private readonly settings: Record<string, string>,
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const server = new Server(await mkdtemp(join(tmpdir(), "blegram-sdk-")), settings);
    server.#port = await freePort();
    await server.restart();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async restart(): Promise<void> {
    const binary = process.env["BLEGRAM_BINARY"];
    if (!binary) throw new Error("set BLEGRAM_BINARY to the path of the server's binary");
    const child = spawn(binary, ["serve"], {
      cwd: this.folder,
      env: {
        ...Object.fromEntries(LIMITS.map((name) => [`BLEGRAM_LIMITS__${name}__BURST`, "100000"])),
        BLEGRAM_SERVER__LISTEN: `127.0.0.1:${this.#port}`,
        BLEGRAM_SERVER__DATA_DIR: this.folder,
        ...this.settings,
      },
    });
    this.#process = child;
    child.stderr.on("data", (data) => {
      this.#log += data;
    });
    await new Promise<void>((resolve, reject) => {
      let banner = "";
      child.stdout.on("data", (data) => {
        banner += data;
        if (banner.includes("Ctrl-C")) resolve();
      });
      child.once("exit", () => reject(new Error(`the server does not start:\n${this.#log}`)));
    });
  }

  /** Ends the process at once, as a crash does, or gracefully. */
  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child) return;
    const exit = once(child, "exit");
    child.kill(signal);
    await exit;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A client with tokens, and a new account if there is a name. */
  async client(name?: string, options: TokenAuthOptions & { environment?: Partial<Environment> } = {}) {
    const { environment = {}, store = memoryStore(), ...others } = options;
    const client = createClient({
      baseUrl: this.url,
      auth: tokenAuth({ store: store as TokenStore, ...others }),
      environment: { openSocket: (url, protocols) => new WebSocket(url, protocols) as never, ...environment },
    });
    if (name) await client.auth.signUp({ username: name, password: PASSWORD });
    return client;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, "close");
  return port;
}

let names = 0;
/** A username that no other test has. */
export const unique = (name: string) => `${name}_${process.pid}_${++names}`;
