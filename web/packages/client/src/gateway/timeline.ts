// The events of a conversation: applies each one once, in order, without gaps.

import type { ConversationChange, Page } from "./io.js";

/** The position in a conversation. */
export class Timeline {
  /** The `seq` up to which all events were applied; `undefined` until a page is loaded. */
  cursor: number | undefined;
  /** The highest known `seq`. */
  #head = 0;
  /** The highest message number that the application knows, 0 if the first page was empty. */
  newest: number | undefined;

  raiseHead(seq: number): void {
    this.#head = Math.max(this.#head, seq);
  }

  /** Whether events are known to be missing. */
  get isBehind(): boolean {
    return this.cursor !== undefined && this.cursor < this.#head;
  }

  /** Ignores a known `seq`, applies the next one, remembers a larger one as a gap. Returns whether to apply the event. */
  apply({ d }: ConversationChange): boolean {
    this.raiseHead(d.seq);
    if (this.cursor === undefined || d.seq !== this.cursor + 1) return false;
    this.cursor = d.seq;
    this.#see(d.message?.message_no);
    return true;
  }

  /** Drops the cursor; a page must be loaded. */
  reset(): void {
    this.cursor = undefined;
  }

  /** Continues from a page. Returns the highest message number that the application knew before. */
  load({ messages, last_seq }: Page): number | undefined {
    const before = this.newest;
    this.cursor = last_seq;
    this.raiseHead(last_seq);
    this.#see(messages.at(-1)?.message_no ?? 0);
    return before;
  }

  #see(messageNo: number | undefined): void {
    if (messageNo !== undefined) this.newest = Math.max(this.newest ?? 0, messageNo);
  }
}
