/** Options of every operation. */
export interface BaseOptions {
  /** Aborts the call: it fails with {@link AbortError}. */
  signal?: AbortSignal | undefined;
  /** How long the call may take with its retries, in milliseconds. */
  timeout?: number | undefined;
  /** Further request headers. */
  headers?: Record<string, string> | undefined;
}

/**
 * Options of an operation. `idempotencyKey` replaces the random key of a write, for example to repeat it after the page
 * was loaded again. `ifMatch` changes only the version with this tag: see {@link etagOf}.
 */
export type Options<Extra extends "idempotencyKey" | "ifMatch" = never> = BaseOptions & {
  [Key in Extra]?: string | undefined;
};
