// Messages count as read when they are really visible: on the screen, in a page that is visible.

import { createContext, type RefObject, useContext, useEffect, useMemo, useRef } from "react";
import { useGateway } from "../realtime/realtime";

type Watch = (element: Element) => () => void;
export const WatchMessages = createContext<Watch>(() => () => {});

/** So much of a message must be visible, in pixels, or all of it. */
const VISIBLE = 24;

/** Marks a conversation as read, as far as its messages have been visible in `scroller`. Rows watch themselves by `useWatched`. */
export function useReadMarks(conversation: string, readNo: number, scroller: RefObject<Element | null>): Watch {
  const gateway = useGateway();
  const seen = useRef(0);
  const latest = useRef({ gateway, readNo });
  latest.current = { gateway, readNo };

  const marks = useMemo(() => {
    const report = () => {
      const { gateway: live, readNo: read } = latest.current;
      if (document.visibilityState === "visible" && seen.current > read) live?.read(conversation, seen.current);
    };
    let observer: IntersectionObserver | undefined;
    const watch: Watch = (element) => {
      // The scrolling element exists when the first row is mounted.
      observer ??= new IntersectionObserver(
        (entries) => {
          for (const { isIntersecting, target } of entries) {
            if (isIntersecting && document.visibilityState === "visible")
              seen.current = Math.max(seen.current, Number((target as HTMLElement).dataset["no"]));
          }
          report();
        },
        { root: scroller.current, rootMargin: `-${VISIBLE}px 0px` },
      );
      observer.observe(element);
      return () => observer?.unobserve(element);
    };
    /** What was on the screen while the page was hidden is seen now. */
    const again = () => {
      if (document.visibilityState !== "visible" || !observer) return;
      const elements = scroller.current?.querySelectorAll("[data-no]") ?? [];
      for (const element of elements) {
        observer.unobserve(element);
        observer.observe(element);
      }
    };
    return { watch, again, report };
  }, [conversation, scroller]);

  useEffect(() => {
    document.addEventListener("visibilitychange", marks.again);
    return () => document.removeEventListener("visibilitychange", marks.again);
  }, [marks]);
  // The gateway may be there only after the messages.
  // biome-ignore lint/correctness/useExhaustiveDependencies: with another gateway, the mark is sent again
  useEffect(marks.report, [marks, gateway]);
  return marks.watch;
}

/** Watches whether an element with the number of its message (`data-no`) is visible. */
export function useWatched(element: RefObject<Element | null>): void {
  const watch = useContext(WatchMessages);
  useEffect(() => (element.current ? watch(element.current) : undefined), [element, watch]);
}
