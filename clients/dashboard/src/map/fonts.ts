import { useSyncExternalStore } from "react";
import { forgetWidths } from "./measure";

let come = 0;
const listeners = new Set<() => void>();
document.fonts?.addEventListener?.("loadingdone", () => {
  come += 1;
  // Text measured before its font had come would stand at the wrong width.
  forgetWidths();
  for (const listener of listeners) listener();
});

/** A number that grows whenever fonts have been loaded. */
export function useFonts(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => come,
  );
}
