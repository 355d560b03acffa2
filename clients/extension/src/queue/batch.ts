/** Which events one request carries. Pure. */

import type { EventsBody } from "@trailmind/api";
import type { QueuedEvent } from "./model";

const MAX_EVENTS = 100;
/** A batch with this many events is sent without waiting for the timer. */
export const EAGER_EVENTS = 20;
/** Below the server's limit of 4 MB, with room for the envelope. */
export const MAX_BYTES = 3_500_000;

export interface BatchLimits {
  maxEvents: number;
  maxBytes: number;
}

export const FULL_LIMITS: BatchLimits = { maxEvents: MAX_EVENTS, maxBytes: MAX_BYTES };

/** After an accepted batch: twice the limits, at most the full ones. */
export function growLimits({ maxEvents, maxBytes }: BatchLimits): BatchLimits {
  return {
    maxEvents: Math.min(FULL_LIMITS.maxEvents, maxEvents * 2),
    maxBytes: Math.min(FULL_LIMITS.maxBytes, maxBytes * 2),
  };
}

/** After a batch that was too large: half of its events and bytes. */
export function halveLimits(batch: readonly QueuedEvent[]): BatchLimits {
  const bytes = batch.reduce((sum, event) => sum + event.bytes, 0);
  return { maxEvents: Math.ceil(batch.length / 2), maxBytes: Math.ceil(bytes / 2) };
}

/** The size of `body` in bytes as JSON in UTF-8, with its `seq` and a separator. */
export function encodedBytes(body: unknown): number {
  return new TextEncoder().encode(JSON.stringify(body)).byteLength + 24;
}

/** The longest prefix of `waiting` within both limits; the first event is always included. */
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

/** The request body of `batch`. */
export function eventsBody(batch: readonly QueuedEvent[]): EventsBody {
  return { events: batch.map(({ body, seq }) => ({ ...body, seq })) };
}
