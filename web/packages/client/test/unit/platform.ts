// A platform whose clock and network the test controls.

import { type Environment, environment } from "../../src/environment.js";

export interface Request {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: unknown;
  credentials: RequestCredentials | undefined;
}

type Responder = (request: Request, init: RequestInit) => Response | Promise<Response>;

export const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });

export const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  json(
    status,
    { type: `/problems/${code}`, title: code, status, detail: `it is ${code}`, code, errors: null },
    headers,
  );

/** A network without responses until the signal aborts. */
export const silence: Responder = (_, { signal }) =>
  new Promise((__, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted"))));

export class Platform {
  now = 0;
  readonly requests: Request[] = [];
  /** The delays of timers, as they were set. */
  readonly waits: number[] = [];
  readonly environment: Environment;
  readonly #timers = new Map<object, { at: number; run: () => void }>();

  /** Answers in turn; the last one again and again. */
  constructor(
    private readonly responders: Responder[],
    replaced: Partial<Environment> = {},
    random = () => 0.5,
  ) {
    this.environment = environment({
      fetch: (input, init = {}) => this.#fetch(String(input), init),
      now: () => this.now,
      setTimeout: (run, ms) => {
        const timer = {};
        this.waits.push(ms);
        this.#timers.set(timer, { at: this.now + ms, run });
        return timer;
      },
      clearTimeout: (timer) => this.#timers.delete(timer as object),
      random,
      locks: undefined,
      indexedDB: undefined,
      BroadcastChannel: undefined,
      XMLHttpRequest: undefined,
      origin: "https://example.org",
      ...replaced,
    });
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const { method = "GET", body, credentials } = init;
    const headers = init.headers as Record<string, string>;
    const request = { method, url, headers, body: typeof body === "string" ? JSON.parse(body) : body, credentials };
    this.requests.push(request);
    const responder = this.responders.length > 1 ? this.responders.shift() : this.responders[0];
    return responder!(request, init);
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Advances the clock; timers run in the order of their time. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await this.settle();
      const [first] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at);
      if (!first || first[1].at > end) break;
      this.now = Math.max(this.now, first[1].at);
      this.#timers.delete(first[0]);
      first[1].run();
    }
    this.now = end;
    await this.settle();
  }
}

/** The error of a promise, which must fail. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`it should fail, but is ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}
