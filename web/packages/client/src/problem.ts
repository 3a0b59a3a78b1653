import type { FieldProblem, Problem as ProblemBody } from "./generated/models.js";

const UNEXPECTED = "unexpected-response";

/**
 * The server rejects a call: `code` says why, and each code has a page at `/problems/<code>`. A response that is not of
 * blegram, such as the page of a proxy, has the code `unexpected-response`.
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: string;
  readonly status: number;
  /** An explanation in English, also the `message`. */
  readonly detail: string;
  /** The rejected values by their JSON pointer, such as `/text`, or `/` and the name of a query parameter. */
  readonly fields: Readonly<Record<string, FieldProblem>>;
  /** Seconds to wait before the next attempt. */
  readonly retryAfter: number | undefined;
  /** The request in the log of the server. */
  readonly requestId: string | undefined;

  constructor(status: number, body: Partial<ProblemBody>, retryAfter?: number, requestId?: string) {
    const detail = body.detail ?? body.title ?? `status ${status}`;
    super(detail);
    this.code = body.code ?? UNEXPECTED;
    this.status = status;
    this.detail = detail;
    this.fields = Object.fromEntries((body.errors ?? []).map((field) => [field.pointer, field]));
    this.retryAfter = retryAfter;
    this.requestId = body.request_id ?? requestId;
  }

  /** The problem of a response, whose body is problem+json or anything else. */
  static of(response: Response, text: string): Problem {
    const body = (parseJson(text) || {}) as Partial<ProblemBody>;
    const { headers, status } = response;
    const seconds = Number.parseInt(headers.get("retry-after") ?? "", 10);
    const retryAfter = seconds >= 0 ? seconds : undefined;
    return new Problem(status, body, retryAfter, headers.get("x-request-id") ?? undefined);
  }
}

/** The value of a JSON text; `undefined` if it is none, such as the page of a proxy. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** There was no response: the device is offline, the server is down, or the time is over. */
export class NetworkError extends Error {
  override readonly name = "NetworkError";
  /** Whether the time was over. Whether the call took effect is unknown. */
  readonly timedOut: boolean;

  constructor(message: string, options: { cause?: unknown; timedOut?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.timedOut = options.timedOut ?? false;
  }
}

/** The caller aborted the call by its `signal`. */
export class AbortError extends Error {
  override readonly name = "AbortError";

  constructor(signal: AbortSignal) {
    super("the call was aborted", { cause: signal.reason });
  }
}

/** Whether the same call may succeed later. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof Problem) return error.status === 429 || error.status >= 500;
  return error instanceof NetworkError;
}
