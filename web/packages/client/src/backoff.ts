const FIRST = 500;
const LONGEST = 30_000;

/** A delay before a retry: exponential with full jitter, so that clients that lost a server together do not return together. */
export function jitter(attempt: number, random: () => number): number {
  return Math.min(LONGEST, FIRST * 2 ** attempt) * random();
}

/** Delays that grow until {@link Backoff.reset}. */
export class Backoff {
  #attempts = 0;

  constructor(private readonly random: () => number) {}

  /** The next delay in milliseconds, never shorter than `atLeast`. */
  next(atLeast = 0): number {
    return atLeast + jitter(this.#attempts++, this.random);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
