/**
 * The rate of commands that the server allows: as many at once as the burst, then one per interval (GCRA). A command above
 * it would only be rejected.
 */
export class Pace {
  /** When the allowance will be full again. */
  #fullAt = 0;
  readonly #interval: number;

  constructor(
    perSecond: number,
    private readonly burst: number,
  ) {
    this.#interval = 1000 / Math.max(1, perSecond);
  }

  /** When the next command may be sent. */
  get due(): number {
    return this.#fullAt - this.#interval * (this.burst - 1);
  }

  /** Counts a command. */
  take(now: number): void {
    this.#fullAt = Math.max(this.#fullAt, now) + this.#interval;
  }
}
