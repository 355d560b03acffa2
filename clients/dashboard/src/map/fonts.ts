import { useSyncExternalStore } from "react";
import { clearWidthCache } from "./measure";

let numLoads = 0;
const listeners = new Set<() => void>();
document.fonts?.addEventListener?.("loadingdone", () => {
  numLoads += 1;
  // Text measured before its font had come would stand at the wrong width.
  clearWidthCache();
  for (const listener of listeners) listener();
});

/** A number that grows whenever fonts have been loaded. */
export function useFontLoads(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => numLoads,
  );
}
