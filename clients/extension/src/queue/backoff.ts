/** When to try again. Pure, so that the timing can be tested without waiting. */

const FIRST_MS = 1_000;
const LAST_MS = 60_000;

/**
 * Milliseconds until attempt number `failures + 1`.
 *
 * Full jitter on an exponential base, so that a thousand recorders do not return together after a server restart.
 * Never under a quarter of the base, because a draw near zero would hammer. A wish of the server is a floor.
 */
export function retryDelayMs(failures: number, retryAfterMs: number | null, random: () => number): number {
  const base = Math.min(LAST_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
  const drawn = base * (0.25 + 0.75 * random());
  return Math.round(retryAfterMs === null ? drawn : Math.max(drawn, retryAfterMs + 250 * random()));
}
