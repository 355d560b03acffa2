/** Which events travel together. */

import type { EventsBody } from "@trailmind/api";
import type { QueuedEvent } from "./model";

export const MAX_EVENTS = 100;
/** A batch this full is sent without waiting for the timer. */
export const EAGER_EVENTS = 20;
/** Under the server's 4 MB, with room for the envelope. */
export const MAX_BYTES = 3_500_000;

/** The size of `body` as JSON in UTF-8, with its `seq` and a separator. */
export function encodedBytes(body: unknown): number {
  return new TextEncoder().encode(JSON.stringify(body)).byteLength + 24;
}

/** The longest prefix of `waiting` within both limits; one event always fits, however large. */
export function fillBatch(waiting: readonly QueuedEvent[], maxEvents: number, maxBytes: number): QueuedEvent[] {
  const batch: QueuedEvent[] = [];
  let bytes = 0;
  for (const event of waiting) {
    if (batch.length >= maxEvents || (batch.length > 0 && bytes + event.bytes > maxBytes)) break;
    batch.push(event);
    bytes += event.bytes;
  }
  return batch;
}

/** The request body that carries `batch`. */
export function eventsBody(batch: readonly QueuedEvent[]): EventsBody {
  return { events: batch.map(({ body, seq }) => ({ ...body, seq })) };
}
