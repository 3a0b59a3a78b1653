import type { Auth, Credential } from "./auth.js";
import { jitter } from "./backoff.js";
import { type Environment, sleep, uuid7 } from "./environment.js";
import { AbortError, isTemporary, NetworkError, Problem, parseJson } from "./problem.js";

/** How long calls take at most, in milliseconds. */
export interface Limits {
  /** One attempt. */
  attempt: number;
  /** A call with its retries. */
  call: number;
  /** A call that sends files. Its attempts have no limit of their own. */
  upload: number;
}

export const LIMITS: Limits = { attempt: 15_000, call: 60_000, upload: 600_000 };

/** One call of the API. */
export interface Call {
  method: string;
  /** Below the base URL, such as `/api/v1/posts`; or a URL of another site, which gets no credential. */
  path: string;
  query?: object | undefined;
  /** Sent as JSON, unless it is a form or a file. */
  body?: unknown;
  headers?: Record<string, string> | undefined;
  signal?: AbortSignal | undefined;
  timeout?: number | undefined;
  /** `true` for a random key. */
  idempotencyKey?: string | boolean | undefined;
  ifMatch?: string | undefined;
  /** Sends no access token. */
  isAnonymous?: boolean;
  /** Repeats a POST without a key, too: the server answers a repetition as it answered the first. */
  isRepeatable?: boolean;
  /** Makes one attempt. */
  isOnce?: boolean;
  /** Replaces `fetch`, to report progress. */
  fetch?: typeof fetch | undefined;
}

/** The content of a response and the response itself, whose body has been read. */
export interface Answer<T = unknown> {
  data: T;
  response: Response;
}

const etags = new WeakMap<object, string>();

/** The tag of the version of an object that an operation returned, for `ifMatch`. */
export function etagOf(data: object): string | undefined {
  return etags.get(data);
}

/** Sends calls: credentials, deadlines, retries. */
export class Http {
  constructor(
    readonly baseUrl: string,
    readonly env: Environment,
    readonly auth: Auth,
    private readonly limits: Limits,
  ) {}

  /** The URL of a path of the API. */
  url(path: string, query: object = {}): string {
    const url = path.startsWith("/") ? this.baseUrl + path : path;
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      // Lists of ids are separated by commas.
      if (value !== undefined && value !== null) parameters.append(name, String(value));
    }
    const text = parameters.toString();
    return text ? `${url}?${text}` : url;
  }

  /**
   * Sends a call until it succeeds or must not be repeated. What may have taken effect is repeated only if the repetition
   * has no further effect: reads, PUT, DELETE, and what has an `Idempotency-Key`. A 429 rejects a call before it starts.
   */
  async call<T = unknown>(call: Call): Promise<Answer<T>> {
    const { env } = this;
    const key = call.idempotencyKey === true ? uuid7(env) : call.idempotencyKey;
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (key) headers["idempotency-key"] = key;
    if (call.ifMatch) headers["if-match"] = call.ifMatch;
    const isRepeatable = call.isRepeatable || Boolean(key) || !/^(POST|PATCH)$/.test(call.method);
    const deadline = env.now() + (call.timeout ?? this.limits[isFile(call.body) ? "upload" : "call"]);
    let hasRecovered = false;
    for (let attempt = 0; ; attempt++) {
      let credential: Credential | undefined;
      try {
        credential = await this.auth.credential(this, call);
        const answer = await this.attempt<T>(call, { ...headers, ...credential.headers }, credential, deadline);
        if (answer.data && call.isAnonymous) await this.auth.accept(answer.data);
        return answer;
      } catch (error) {
        if (call.signal?.aborted) throw new AbortError(call.signal);
        if (error instanceof Problem && credential && !hasRecovered) {
          hasRecovered = true;
          if (await this.auth.recover(this, error, credential)) continue;
        }
        const wait = delay(error, attempt, env.random);
        if (call.isOnce || !mayRepeat(error, isRepeatable) || env.now() + wait >= deadline) throw error;
        await sleep(env, wait, call.signal);
      }
    }
  }

  private async attempt<T>(
    call: Call,
    headers: Record<string, string>,
    credential: Credential,
    deadline: number,
  ): Promise<Answer<T>> {
    const { env } = this;
    if (call.signal?.aborted) throw new AbortError(call.signal);
    const controller = new AbortController();
    const abort = () => controller.abort();
    call.signal?.addEventListener("abort", abort);
    const limit = isFile(call.body) ? Infinity : this.limits.attempt;
    let timedOut = false;
    const timer = env.setTimeout(
      () => {
        timedOut = true;
        abort();
      },
      Math.min(limit, deadline - env.now()),
    );
    const { body } = call;
    const isRaw = body === undefined || isFile(body);
    try {
      const response = await (call.fetch ?? env.fetch)(this.url(call.path, call.query), {
        method: call.method,
        headers: isRaw ? headers : { "content-type": "application/json", ...headers },
        credentials: credential.mode,
        signal: controller.signal,
        ...(body === undefined ? {} : { body: isRaw ? (body as Blob) : JSON.stringify(body) }),
      });
      return parse<T>(response, await response.text());
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new NetworkError("no response", { cause: error, timedOut });
    } finally {
      env.clearTimeout(timer);
      call.signal?.removeEventListener("abort", abort);
    }
  }
}

function isFile(body: unknown): boolean {
  return body instanceof FormData || body instanceof Blob;
}

function parse<T>(response: Response, text: string): Answer<T> {
  if (!response.ok && response.status !== 304) throw Problem.of(response, text);
  if (!text) return { data: undefined as T, response };
  const data = parseJson(text) as T;
  if (data === undefined) throw Problem.of(response, text);
  const etag = response.headers.get("etag");
  if (etag && typeof data === "object" && data) etags.set(data, etag);
  return { data, response };
}

/** Full jitter, added to what the server requests, so that its clients do not return together. */
function delay(error: unknown, attempt: number, random: () => number): number {
  const requested = error instanceof Problem ? (error.retryAfter ?? 0) * 1000 : 0;
  return requested + jitter(attempt, random);
}

function mayRepeat(error: unknown, isRepeatable: boolean): boolean {
  if (!(error instanceof Problem)) return isTemporary(error) && isRepeatable;
  const { code, status } = error;
  // The first attempt of this very call is still running.
  if (code === "request-in-progress" || code === "upload-in-progress") return isRepeatable;
  return status === 429 || (status >= 500 && isRepeatable);
}
