import { useSyncExternalStore } from "react";
import { lostSince, onConnectionChange } from "~/api/connection";

/** Since when the server does not answer, in epoch milliseconds; null while it does. */
export function useLostSince(): number | null {
  return useSyncExternalStore(onConnectionChange, lostSince);
}
