import { useSyncExternalStore } from "react";

// As in `shell.module.css`.
const wide = window.matchMedia("(min-width: 1200px)");

function subscribe(listener: () => void): () => void {
  wide.addEventListener("change", listener);
  return () => wide.removeEventListener("change", listener);
}

/** Whether there is room for something beside the page. */
export const useIsWide = () => useSyncExternalStore(subscribe, () => wide.matches);
