/** How far a conversation has come, and how far the user has read. */
interface Position {
  last: number;
  read: number;
}

/**
 * The number of unread messages, by the numbers of messages: those of a conversation have no gaps, so the difference of two
 * numbers is exact, and to learn the same twice changes nothing.
 */
export class Positions {
  readonly #positions = new Map<string, Position>();

  /**
   * Learns the number of the last message, or of the last one that the user has read. Returns how many more messages are
   * unread in the conversation; `undefined` if it was not known.
   */
  advance(conversation: string, { last = 0, read = 0 }: Partial<Position>): number | undefined {
    const before = this.#positions.get(conversation);
    const after = { last: Math.max(before?.last ?? 0, last), read: Math.max(before?.read ?? 0, read) };
    this.#positions.set(conversation, after);
    return before && unread(after) - unread(before);
  }
}

export const unread = ({ last, read }: Position) => Math.max(0, last - read);
