/** When a page is settled: loaded, and idle after that. */

/** A page that is still loading after this time counts as settled. */
const LOAD_TIMEOUT_MS = 6_000;
/** Apps set title and content shortly after the load event. */
const DELAY_MS = 600;
const IDLE_TIMEOUT_MS = 2_000;

/** Calls `onSettled` at least once; the caller ignores later calls. `signal` stops waiting for the load event. */
export function whenSettled(window: Window, onSettled: () => void, signal: AbortSignal): void {
  const afterLoad = () =>
    setTimeout(() => window.requestIdleCallback(onSettled, { timeout: IDLE_TIMEOUT_MS }), DELAY_MS);
  if (window.document.readyState === "complete") afterLoad();
  else {
    window.addEventListener("load", afterLoad, { once: true, signal });
    setTimeout(onSettled, LOAD_TIMEOUT_MS);
  }
}
