/** Retry delays. Pure, so that tests need not wait. */

const FIRST_MS = 1_000;
const LAST_MS = 60_000;

/**
 * Milliseconds until attempt number `failures + 1`, at least `retryAfterMs`.
 *
 * Exponential backoff with jitter ("Exponential Backoff And Jitter", AWS Architecture Blog), so that many recorders do
 * not retry at the same moment after a server restart. The jitter leaves at least a quarter of the base, because delays
 * near zero would overload the server.
 */
export function retryDelayMs(failures: number, retryAfterMs: number | null, random: () => number): number {
  const base = Math.min(LAST_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
  const jittered = base * (0.25 + 0.75 * random());
  return Math.round(retryAfterMs === null ? jittered : Math.max(jittered, retryAfterMs + 250 * random()));
}
