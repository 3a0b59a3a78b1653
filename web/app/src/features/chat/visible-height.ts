import { type RefObject, useEffect } from "react";

/**
 * Makes an element that covers the screen as high as what is visible: iPhones put the keyboard over the page, and report it to
 * the visual viewport only.
 */
export function useVisibleHeight(element: RefObject<HTMLElement | null>, isOn: boolean): void {
  useEffect(() => {
    const viewport = window.visualViewport;
    const { current } = element;
    if (!isOn || !viewport || !current) return;
    const follow = () => {
      // While the user zooms, the page stays as it is.
      if (viewport.scale > 1.01) return;
      current.style.setProperty("--visible-height", `${viewport.height}px`);
      current.style.setProperty("--visible-top", `${viewport.offsetTop}px`);
    };
    follow();
    viewport.addEventListener("resize", follow);
    viewport.addEventListener("scroll", follow);
    return () => {
      viewport.removeEventListener("resize", follow);
      viewport.removeEventListener("scroll", follow);
      current.style.removeProperty("--visible-height");
      current.style.removeProperty("--visible-top");
    };
  }, [element, isOn]);
}
