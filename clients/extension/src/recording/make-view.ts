/** Builds the view that the popup shows from the stored state. */

import type { Account } from "../account/account";
import type { Recording } from "../queue/model";
import type { QueueStore } from "../queue/store";
import type { Generation, View } from "./view";

/**
 * The recording that the popup shows: one that is running, then one that needs a decision, then one that has ended. A
 * completed recording is shown until the user dismisses it.
 */
export function selectCurrent(recordings: readonly Recording[]): Recording | null {
  const newestFirst = [...recordings].sort((a, b) => b.startedAt - a.startedAt);
  const of = (...statuses: Recording["status"][]) => newestFirst.find((r) => statuses.includes(r.status));
  return of("recording", "paused") ?? of("interrupted", "lost") ?? of("stopping", "completed") ?? null;
}

export async function makeView(
  store: QueueStore,
  account: Account,
  generation: Generation | null,
  now: number,
): Promise<View> {
  const recordings = await store.recordings();
  const current = selectCurrent(recordings);
  const others = recordings.filter((r) => r !== current && r.status !== "completed");
  const waiting = await Promise.all(others.map(async (r) => (await store.receipt(r.id)).waiting));
  const signedIn = await account.user();
  return {
    at: now,
    account: signedIn ? { email: signedIn.user.email, isExpired: signedIn.isExpired } : null,
    current: current && {
      id: current.id,
      serverId: current.serverId,
      origin: current.origin,
      status: current.status,
      title: current.title,
      scope: current.scope.kind,
      startedAt: current.startedAt,
      endedAt: current.endedAt,
      pausedAt: current.pausedAt,
      pausedMs: current.pausedMs,
      pages: current.counts.pages,
      highlights: current.counts.highlights,
      receipt: await store.receipt(current.id),
      sendError: current.trouble,
      lostReason: current.lostReason,
    },
    earlier: { recordings: others.length, waiting: waiting.reduce((sum, count) => sum + count, 0) },
    generation: generation && generation.recordingId === current?.id ? generation : null,
  };
}
