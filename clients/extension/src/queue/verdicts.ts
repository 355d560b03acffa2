/** Pairs the events of a batch with the server's verdicts. Pure. */

import type { EventsResponse } from "../api/schemas";
import type { QueuedEvent, VerdictKind } from "./model";

export interface EventVerdict {
  eventId: string;
  verdict: VerdictKind;
  reason: string | null;
}

/**
 * The verdicts of `batch`; an event without a verdict has no entry.
 *
 * Pairs by event id if the server returns it, otherwise by position. A v1 server returns no verdicts: its response
 * counts as `stored` only if it reports that it processed exactly as many events as were sent.
 */
export function matchVerdicts(batch: readonly QueuedEvent[], response: EventsResponse): EventVerdict[] {
  const { verdicts } = response;
  if (!verdicts) {
    const isComplete = response.processed === batch.length && response.total === batch.length;
    return isComplete ? batch.map(({ eventId }) => ({ eventId, verdict: "stored", reason: null })) : [];
  }
  const isParallel = verdicts.length === batch.length;
  const byId = new Map(verdicts.flatMap((verdict) => (verdict.event_id ? [[verdict.event_id, verdict]] : [])));
  return batch.flatMap(({ eventId }, position) => {
    const atPosition = isParallel && !verdicts[position]?.event_id ? verdicts[position] : undefined;
    const verdict = byId.get(eventId) ?? atPosition;
    return verdict ? [{ eventId, verdict: verdict.verdict, reason: verdict.reason ?? null }] : [];
  });
}
