// Outgoing messages of a conversation: stored until the server acknowledges them, sent one after the other.

import type { Draft } from "./io.js";

/** Maximum size of a message in UTF-8, and as JSON, where it must fit into a frame with the rest of the command. */
const MAX_TEXT_BYTES = 8 * 1024;
const MAX_JSON_BYTES = 15 * 1024;

/** Messages that are not acknowledged yet, in order. */
export class Outbox {
  readonly drafts: Draft[] = [];
  /** The first one was sent on this connection. The next one waits for the reply, which preserves the order. */
  #isInFlight = false;
  /** Do not send the first one before this time. */
  #notBefore = 0;
  /** How often the first one was rejected temporarily. */
  rejections = 0;

  /** Adds a message, unless it is there: a repetition of the application. */
  push(draft: Draft): void {
    if (!this.drafts.some(({ client_id }) => client_id === draft.client_id)) this.drafts.push(draft);
  }

  /** When the next message can be sent; `undefined` if there is none or one is in flight. */
  get due(): number | undefined {
    return this.#isInFlight || this.drafts.length === 0 ? undefined : this.#notBefore;
  }

  /** The message to send now. */
  send(now: number): Draft | undefined {
    if (this.due === undefined || this.due > now) return undefined;
    this.#isInFlight = true;
    return this.drafts[0];
  }

  /** Removes the first message, which was stored or rejected for good. */
  settle(): Draft | undefined {
    this.#isInFlight = false;
    this.rejections = 0;
    return this.drafts.shift();
  }

  /** Sends the first message again at `until`. */
  putOff(until: number): void {
    this.#isInFlight = false;
    this.#notBefore = until;
    this.rejections++;
  }

  /** The connection was lost: whether the message in flight was stored is unknown, so the next connection sends it again. */
  disconnect(): void {
    this.#isInFlight = false;
  }

  /** Removes a message that was not sent. One in flight cannot be called back. */
  drop(clientId: string): boolean {
    const index = this.drafts.findIndex(({ client_id }) => client_id === clientId);
    if (index < 0 || (index === 0 && this.#isInFlight)) return false;
    this.drafts.splice(index, 1);
    if (index === 0) this.rejections = 0;
    return true;
  }
}

/** Checked before sending: a frame that is too large would end the connection each time it is sent. */
export function isTooLong(draft: Draft): boolean {
  return utf8Bytes(draft.text ?? "") > MAX_TEXT_BYTES || utf8Bytes(JSON.stringify(draft)) > MAX_JSON_BYTES;
}

function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
