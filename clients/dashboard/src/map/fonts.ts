import { useSyncExternalStore } from "react";
import { clearWidthCache } from "./measure";

let numLoads = 0;
const listeners = new Set<() => void>();
document.fonts?.addEventListener?.("loadingdone", () => {
  numLoads += 1;
  // Text measured in the fallback font has another width.
  clearWidthCache();
  for (const listener of listeners) listener();
});

/** The number of font loads so far. It changes after every load, so that labels are measured again. */
export function useFontLoads(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => numLoads,
  );
}
