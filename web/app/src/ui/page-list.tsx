import type { UseInfiniteQueryResult } from "@tanstack/react-query";
import { type ReactNode, useEffect, useLayoutEffect, useRef } from "react";
import { useLocation } from "react-router";
import { type CacheSnapshot, WindowVirtualizer, type WindowVirtualizerHandle } from "virtua";
import { useTexts } from "../i18n";
import { itemsOf, type Loaded } from "../query";
import { Button } from "./button";
import styles from "./page-list.module.css";
import { Failure, Spinner } from "./states";

interface PageListProps<Item> {
  query: UseInfiniteQueryResult<Loaded<Item>>;
  /** The key of an item; by default its `id`. */
  keyOf?: (item: Item) => string;
  children: (item: Item, index: number) => ReactNode;
  /** What is shown instead of an empty list. */
  empty: ReactNode;
  /** What is shown while the first page loads. */
  skeleton?: ReactNode;
  label: string;
}

/** Load the next page when so many pixels are left. */
const AHEAD = 1500;

/** Where lists were when they were left, by the entry of the browser's history. */
const places = new Map<string, { offset: number; sizes: CacheSnapshot; count: number }>();

/** A long list that scrolls with the window: only what is visible is in the page, and `back` returns to the same place. */
export function PageList<Item>({ query, keyOf = idOf, children, empty, skeleton, label }: PageListProps<Item>) {
  const t = useTexts("common");
  const { key: entry } = useLocation();
  const list = useRef<WindowVirtualizerHandle>(null);
  const items = itemsOf(query.data);
  const place = useRef(places.get(entry));
  const sizes = place.current?.count === items.length ? place.current.sizes : undefined;

  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = query;
  const more = () => {
    const left = document.documentElement.scrollHeight - window.scrollY - window.innerHeight;
    if (left < AHEAD && hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  };
  // A first page may be shorter than the screen.
  useEffect(more);

  const isReady = items.length > 0;
  useLayoutEffect(() => {
    if (!isReady) return;
    if (place.current) window.scrollTo(0, place.current.offset);
    const remember = () => {
      const { cache } = list.current ?? {};
      if (cache) places.set(entry, { offset: window.scrollY, sizes: cache, count: counted.current });
    };
    window.addEventListener("scroll", remember, { passive: true });
    return () => window.removeEventListener("scroll", remember);
  }, [entry, isReady]);
  const counted = useRef(0);
  counted.current = items.length;

  if (query.isPending) return skeleton ?? <Spinner />;
  if (query.isError && !isReady) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  if (!isReady) return empty;
  return (
    <section aria-label={label} className={styles.list}>
      <WindowVirtualizer ref={list} onScroll={more} bufferSize={800} {...(sizes ? { cache: sizes } : {})}>
        {items.map((item, index) => (
          <div key={keyOf(item)}>{children(item, index)}</div>
        ))}
      </WindowVirtualizer>
      {isFetchingNextPage && <Spinner label={t("loading")} />}
      {isFetchNextPageError && <Failure error={query.error} onRetry={() => void fetchNextPage()} />}
      {hasNextPage && !isFetchingNextPage && !isFetchNextPageError && (
        // For keyboards and screen readers, which do not scroll.
        <Button kind="quiet" wide onClick={() => void fetchNextPage()}>
          {t("load_more")}
        </Button>
      )}
    </section>
  );
}

function idOf(item: unknown): string {
  return (item as { id: string }).id;
}
