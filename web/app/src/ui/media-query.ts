import { useCallback, useSyncExternalStore } from "react";

/** Whether a media query matches. */
export function useMediaQuery(query: string): boolean {
  const subscribe = useCallback(
    (listener: () => void) => {
      const list = matchMedia(query);
      list.addEventListener("change", listener);
      return () => list.removeEventListener("change", listener);
    },
    [query],
  );
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}

/** The navigation is a rail: there is room for two columns. The same width is in `shell.module.css`. */
export const useIsDesk = () => useMediaQuery("(min-width: 720px)");

/** There is room for something beside the page. The same width is in `shell.module.css`. */
export const useIsWide = () => useMediaQuery("(min-width: 1200px)");

/** The keyboard is on the screen: Enter breaks the line there. */
export const hasTouchKeyboard = () => matchMedia("(hover: none) and (pointer: coarse)").matches;
