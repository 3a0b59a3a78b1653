/** A page of a list. */
export interface PageOf<Item> {
  items: Item[];
  next_cursor?: string | null;
  prev_cursor?: string | null;
}

type ItemOf<Page> = Page extends PageOf<infer Item> ? Item : never;
type Position = { cursor?: string | undefined; since_id?: string | undefined };

/**
 * A list that is loaded page by page, as its items are read:
 *
 * ```ts
 * const posts = blegram.timelines.home();
 * for await (const post of posts) append(post);          // from the newest one backwards, until the end
 * for await (const post of posts.newer()) prepend(post); // later: those that were added since, oldest first
 * ```
 *
 * No item is skipped, even if others add to the list at the same time.
 */
export class Pages<Page extends PageOf<unknown>> implements AsyncIterable<ItemOf<Page>> {
  /** Leads to newer items: the cursor of the newest page. */
  #newer: string | undefined;
  #newestId: string | undefined;
  #isLoaded = false;

  constructor(
    private readonly load: (position: Position) => Promise<Page>,
    /** The list begins with the oldest item. */
    private readonly isOldestFirst = false,
  ) {}

  /** The first page. */
  async page(): Promise<Page> {
    return this.#first(await this.load({}));
  }

  /** The pages, from the first one to the end of the list. */
  async *pages(): AsyncGenerator<Page, void, undefined> {
    let page = await this.page();
    yield page;
    while (page.next_cursor) {
      page = await this.load({ cursor: page.next_cursor });
      if (this.isOldestFirst) this.#see(page);
      yield page;
    }
  }

  /** The items, from the first one to the end of the list. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ItemOf<Page>, void, undefined> {
    for await (const page of this.pages()) yield* page.items as ItemOf<Page>[];
  }

  /** The first `count` items, or all if there are fewer. */
  async take(count: number): Promise<ItemOf<Page>[]> {
    const items: ItemOf<Page>[] = [];
    if (count <= 0) return items;
    for await (const item of this) {
      items.push(item);
      if (items.length >= count) break;
    }
    return items;
  }

  /**
   * The items that were added after the newest one that was read so far, oldest first; all of the first page if none was
   * read. Call it again for later ones.
   */
  async *newer(): AsyncGenerator<ItemOf<Page>, void, undefined> {
    if (!this.#isLoaded) {
      const { items } = await this.page();
      yield* inTime(items, this.isOldestFirst) as ItemOf<Page>[];
      if (!this.isOldestFirst) return;
    }
    yield* (this.isOldestFirst ? this.#later() : this.#earlier()) as AsyncGenerator<ItemOf<Page>>;
  }

  /** Backwards through a list whose newest items come first. The end is an empty page, which has the same cursor again. */
  async *#earlier(): AsyncGenerator<unknown> {
    while (this.#newer) {
      const page = await this.load({ cursor: this.#newer });
      if (page.items.length === 0) return;
      yield* inTime(page.items, false);
      // Only now: a reader that stops before the end of the page gets it again.
      this.#newer = page.prev_cursor ?? this.#newer;
    }
  }

  async *#later(): AsyncGenerator<unknown> {
    for (;;) {
      const page = await this.load({ since_id: this.#newestId });
      yield* page.items;
      this.#see(page);
      if (page.items.length === 0 || !page.next_cursor) return;
    }
  }

  #first(page: Page): Page {
    this.#isLoaded = true;
    if (this.isOldestFirst) this.#see(page);
    else this.#newer = page.prev_cursor ?? undefined;
    return page;
  }

  #see(page: Page): void {
    const last = page.items.at(-1) as { id?: string } | undefined;
    if (last?.id && last.id > (this.#newestId ?? "")) this.#newestId = last.id;
  }
}

function inTime<Item>(items: Item[], isOldestFirst: boolean): Item[] {
  return isOldestFirst ? items : [...items].reverse();
}
