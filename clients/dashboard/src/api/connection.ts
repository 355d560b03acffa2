/** Whether the server answers. A page that updates itself says when it does not, because it would show old numbers. */

let lostAt: number | null = null;
const listeners = new Set<() => void>();

function set(next: number | null): void {
  if (next === lostAt) return;
  lostAt = next;
  for (const listener of listeners) listener();
}

/** The server answered. */
export function markReached(): void {
  set(null);
}

/** The server did not answer a request that it answered before. */
export function markLost(): void {
  if (lostAt === null) set(Date.now());
}

/** Since when the server does not answer, in epoch milliseconds; null while it does. */
export function lostSince(): number | null {
  return lostAt;
}

/** Calls `listener` when the server is lost or answers again. Returns the function that unsubscribes it. */
export function onConnectionChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
