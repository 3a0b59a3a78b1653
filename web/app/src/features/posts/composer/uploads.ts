import type { Photo } from "./editor";
import type { Remote } from "./remote";

/** The photos whose uploads these are. */
interface Photos {
  photos(): Photo[];
  change(id: string, change: Partial<Photo>): void;
}

/** So many at the same time: more would not be faster, and each takes memory of a phone. */
const CONCURRENCY = 2;

/** Uploads the photos that wait. */
export class Uploads {
  readonly #files = new Map<string, File>();
  readonly #aborts = new Map<string, AbortController>();
  #isClosed = false;

  constructor(
    private readonly remote: Remote,
    private readonly photos: Photos,
  ) {}

  /** The file of a photo. */
  set(id: string, file: File): void {
    this.#files.set(id, file);
  }

  /** Starts as many of the uploads that wait as may run. */
  start(): void {
    for (const { id, state } of this.photos.photos()) {
      const file = this.#files.get(id);
      if (this.#aborts.size >= CONCURRENCY || this.#isClosed) return;
      if (state === "waiting" && file) void this.#upload(id, file);
    }
  }

  async #upload(id: string, file: File): Promise<void> {
    const abort = new AbortController();
    this.#aborts.set(id, abort);
    this.photos.change(id, { state: "uploading", progress: 0 });
    try {
      const media = await this.remote.upload(file, {
        signal: abort.signal,
        onProgress: (progress) => this.photos.change(id, { progress }),
      });
      if (abort.signal.aborted) this.remote.discard(media.id);
      else
        this.photos.change(id, { state: "ready", progress: 1, savedAlt: "", media: { id: media.id, at: Date.now() } });
    } catch (error) {
      if (!abort.signal.aborted) this.photos.change(id, { state: "failed", error });
    } finally {
      this.#aborts.delete(id);
      this.start();
    }
  }

  /** The photo was removed. */
  drop(id: string): void {
    this.#aborts.get(id)?.abort();
    this.#files.delete(id);
  }

  close(): void {
    this.#isClosed = true;
    for (const abort of this.#aborts.values()) abort.abort();
  }
}
