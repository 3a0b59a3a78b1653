// Web Locks and BroadcastChannel of one browser, for tests of several tabs in one process.

interface Waiting {
  run: () => void;
  reject: (error: Error) => void;
}

/** Exclusive locks, in the order of the requests. */
export class FakeLocks {
  readonly #held = new Map<string, Waiting>();
  readonly #queues = new Map<string, Waiting[]>();

  request(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean },
    hold: () => Promise<void> | void,
  ): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        reject,
        run: () => {
          this.#held.set(name, waiting);
          Promise.resolve(hold()).then(() => {
            resolve();
            if (this.#held.get(name) === waiting) this.#next(name);
          }, reject);
        },
      };
      if (options.steal) {
        this.#held.get(name)?.reject(new Error("stolen"));
        queueMicrotask(waiting.run);
        return;
      }
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      queue.push(waiting);
      options.signal?.addEventListener("abort", () => {
        const index = queue.indexOf(waiting);
        if (index < 0) return;
        queue.splice(index, 1);
        reject(new Error("aborted"));
      });
      if (!this.#held.has(name)) queueMicrotask(() => !this.#held.has(name) && this.#next(name));
    });
  }

  #next(name: string): void {
    this.#held.delete(name);
    this.#queues.get(name)?.shift()?.run();
  }

  async query() {
    return { held: [...this.#held.keys()].map((name) => ({ name })) };
  }
}

/** Channels of one browser. A frozen one neither sends nor receives. */
export function fakeChannels() {
  const channels = new Set<FakeChannel>();
  class FakeChannel {
    onmessage: ((event: { data: unknown }) => void) | null = null;
    isFrozen = false;
    constructor(readonly name: string) {
      channels.add(this);
    }
    postMessage(data: unknown): void {
      for (const other of channels) {
        if (other === this || other.name !== this.name || this.isFrozen) continue;
        queueMicrotask(() => {
          if (!other.isFrozen && channels.has(other)) other.onmessage?.({ data: structuredClone(data) });
        });
      }
    }
    close(): void {
      channels.delete(this);
    }
  }
  return { FakeChannel, channels };
}
