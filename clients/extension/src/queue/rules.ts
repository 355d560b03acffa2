/** The counting rules of the queue. Pure changes to values; the store writes them. */

import { encodedBytes } from "./batch";
import type { Counts, EventBody, QueuedEvent, Recording, VerdictKind } from "./model";

/** `seen = stored + excluded + invalid + waiting` at every moment. */
export interface Receipt {
  seen: number;
  stored: number;
  excluded: number;
  invalid: number;
  waiting: number;
  /** When the oldest waiting event was queued, null if none is waiting. */
  waitingSince: number | null;
}

const COUNTER_OF_VERDICT: Record<VerdictKind, keyof Counts> = {
  stored: "stored",
  duplicate: "stored",
  excluded: "excluded",
  invalid: "invalid",
};

function counterOfType({ type }: EventBody): "pages" | "highlights" | null {
  if (type === "page_visit") return "pages";
  return type === "highlight" ? "highlights" : null;
}

/** Counts a queued event. */
export function countEvent(counts: Counts, body: EventBody): void {
  const counter = counterOfType(body);
  counts.seen += 1;
  if (counter) counts[counter] += 1;
}

/** Counts an event that moves from one recording to another. */
export function countMoved(source: Counts, target: Counts, body: EventBody): void {
  uncountEvent(source, body);
  countEvent(target, body);
}

export function countVerdict(counts: Counts, verdict: VerdictKind): void {
  counts[COUNTER_OF_VERDICT[verdict]] += 1;
}

export function receiptOf(recording: Recording | undefined, waiting: number, waitingSince: number | null): Receipt {
  const { seen = 0, stored = 0, excluded = 0, invalid = 0 } = recording?.counts ?? {};
  return { seen, stored, excluded, invalid, waiting, waitingSince };
}

/** Uncounts an event that is dropped before it was sent. */
export function uncountEvent(counts: Counts, body: EventBody): void {
  const counter = counterOfType(body);
  counts.seen -= 1;
  if (counter) counts[counter] -= 1;
}

/** `event` with `fields` added to its body, to be sent from `heldUntil` on. */
export function completed(event: QueuedEvent, fields: Partial<EventBody>, heldUntil = 0): QueuedEvent {
  const { isAwaitingText: _, ...rest } = event;
  const metadata = { ...event.body.metadata, ...fields.metadata };
  const body = { ...event.body, ...fields, ...(Object.keys(metadata).length > 0 ? { metadata } : {}) };
  return { ...rest, body, bytes: encodedBytes(body), heldUntil };
}
