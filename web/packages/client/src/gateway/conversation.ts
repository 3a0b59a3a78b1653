// What the client knows of one conversation.

import { Outbox } from "./outbox.js";
import { Timeline } from "./timeline.js";

/** Minimum interval between read marks, and delay before pulling an event that should have arrived. */
export const SECOND = 1000;

/** A followed conversation. */
export class Conversation {
  readonly timeline = new Timeline();
  readonly outbox = new Outbox();
  /** When to load a page; `undefined` if it is loaded or loading. */
  pageDue: number | undefined;
  isLoading = false;
  pageFailures = 0;
  /** Pull even if no gap is known, for example to learn whether this account is still a member. */
  mustPull = false;
  notPullBefore = 0;
  /** This account was added after the pull in flight was sent, so its `not-found` is out of date. */
  wasAdded = false;
  /** A deadline and the `seq` of the last acknowledged message: if its event has not arrived by then, pull. */
  expected: { due: number; seq: number } | undefined;
  /** The message number that the user has read, that of the last read mark sent, and when the next one may be sent. */
  #read = 0;
  #reported = 0;
  #reportDue = 0;

  constructor(now: number) {
    this.pageDue = now;
  }

  /** When to pull; `undefined` if nothing is known to be missing. */
  get pullDue(): number | undefined {
    const mustPull = this.mustPull || this.timeline.isBehind;
    return mustPull && this.timeline.cursor !== undefined ? this.notPullBefore : undefined;
  }

  /** A message was stored. Its event was published before the reply, so if it is not there a second later, it is pulled. */
  sent(now: number, seq: number): void {
    const { due = now + SECOND, seq: before = 0 } = this.expected ?? {};
    this.expected = { due, seq: Math.max(before, seq) };
  }

  checkExpected(now: number): void {
    if (!this.expected || this.expected.due > now) return;
    this.timeline.raiseHead(this.expected.seq);
    this.expected = undefined;
  }

  /** The user has read up to this message. */
  read(messageNo: number): void {
    this.#read = Math.max(this.#read, messageNo);
  }

  /** When to send a read mark; `undefined` if there is nothing new. */
  get reportDue(): number | undefined {
    return this.#read > this.#reported ? this.#reportDue : undefined;
  }

  /** The read mark to send. The next one follows a second later, or more. */
  report(now: number): number {
    this.#reported = this.#read;
    this.#reportDue = now + SECOND;
    return this.#reported;
  }

  /** Sends the read mark again. */
  reportAgain(due: number): void {
    this.#reported = 0;
    this.#reportDue = due;
  }

  /** Replies to commands in flight will not arrive. */
  disconnect(): void {
    this.outbox.disconnect();
    this.#reported = 0;
  }
}
