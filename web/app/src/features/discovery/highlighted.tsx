import { type ReactNode, useEffect, useRef } from "react";
import styles from "./marked.module.css";
import { matchesIn } from "./matches";

const NAME = "search-match";

/**
 * Marks the words of a search in its results, whichever components show them: by the highlights of the browser, which need
 * no elements of their own. Older browsers show the results without. Only texts of users are marked, which have a `dir`.
 */
export function Highlighted({ query, children }: { query: string; children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element || typeof Highlight === "undefined") return;
    const update = () => CSS.highlights.set(NAME, new Highlight(...rangesIn(element, query)));
    // Rows come and go while the list scrolls.
    const observer = new MutationObserver(update);
    observer.observe(element, { childList: true, characterData: true, subtree: true });
    update();
    return () => {
      observer.disconnect();
      CSS.highlights.delete(NAME);
    };
  }, [query]);
  return (
    <div ref={box} className={styles.results}>
      {children}
    </div>
  );
}

function rangesIn(element: Element, query: string): Range[] {
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const ranges: Range[] = [];
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    if (!node.parentElement?.closest('[dir="auto"]')) continue;
    for (const { from, to } of matchesIn(node.nodeValue ?? "", query)) {
      const range = new Range();
      range.setStart(node, from);
      range.setEnd(node, to);
      ranges.push(range);
    }
  }
  return ranges;
}
