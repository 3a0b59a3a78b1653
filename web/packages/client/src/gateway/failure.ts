import { isTemporary, Problem } from "../problem.js";
import type { Failure } from "./io.js";

/** What an error of the HTTP API means for the connection. */
export function failureOf(error: unknown): Failure {
  const detail = error instanceof Error ? error.message : String(error);
  if (isTemporary(error)) {
    const seconds = error instanceof Problem ? error.retryAfter : undefined;
    return { kind: "temporary", detail, retryAfterMs: seconds === undefined ? undefined : seconds * 1000 };
  }
  const status = error instanceof Problem ? error.status : 0;
  if (status === 401) return { kind: "unauthorized", detail };
  return { kind: status === 404 ? "not-found" : "fatal", detail };
}
