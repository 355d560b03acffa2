/** Clicks and double clicks on the map. A double click belongs to what its first click hit, whatever moves meanwhile. */

/** The time in which a second click makes a double click, as in Chromium. */
const DOUBLE_CLICK_MS = 500;
/** A pointer that moved further between two clicks makes two single clicks. */
const MAX_DOUBLE_CLICK_PX = 6;
/** A pointer that moved further between press and release drags. */
export const MAX_CLICK_PX = 5;

export interface Press<T> {
  x: number;
  y: number;
  atMs: number;
  hit: T;
  /** Whether this is the second press of a double click. */
  isSecond: boolean;
}

/** The press at a point: with the hit of `before` when both make a double click, otherwise with `hit`. */
export function nextPress<T>(before: Press<T> | null, x: number, y: number, atMs: number, hit: T): Press<T> {
  const isSecond =
    before !== null &&
    !before.isSecond &&
    atMs - before.atMs <= DOUBLE_CLICK_MS &&
    Math.hypot(x - before.x, y - before.y) <= MAX_DOUBLE_CLICK_PX;
  return { x, y, atMs, hit: isSecond ? before.hit : hit, isSecond };
}

let last: { x: number; y: number; atMs: number } | null = null;

/** Remembers where the map was clicked, so that nothing opens there while a double click is possible. */
export function noteMapClick(x: number, y: number): void {
  last = { x, y, atMs: performance.now() };
}

/** The milliseconds for which a panel has to wait that would cover the last click on the map. */
export function waitBeforeCovering(isCovered: (x: number, y: number) => boolean): number {
  if (!last || !isCovered(last.x, last.y)) return 0;
  return Math.max(0, last.atMs + DOUBLE_CLICK_MS - performance.now());
}
