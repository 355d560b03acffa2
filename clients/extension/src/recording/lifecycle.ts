/** The state machine of a recording. Pure changes to a `Recording`; false means that the change is not allowed. */

import type { Recording, Scope } from "../queue/model";

export interface NewRecording {
  id: string;
  userId: string;
  origin: string;
  title: string;
  scope: Scope;
  now: number;
}

export function newRecording({ id, userId, origin, title, scope, now }: NewRecording): Recording {
  return {
    id,
    userId,
    origin,
    serverId: null,
    serverStatus: "none",
    status: "recording",
    title,
    isTitleSynced: true,
    scope,
    startedAt: now,
    endedAt: null,
    pausedAt: null,
    pausedMs: 0,
    lastAliveAt: now,
    nextPlace: 1,
    nextSeq: 1,
    counts: { pages: 0, highlights: 0, seen: 0, stored: 0, excluded: 0, invalid: 0 },
    trouble: null,
    lostReason: null,
  };
}

/** Events are being collected. A recording that the server lost is collected until the user decides. */
export function isCollecting(recording: Recording): boolean {
  return (
    (recording.status === "recording" || recording.status === "lost") &&
    recording.endedAt === null &&
    recording.pausedAt === null
  );
}

/** Collecting or paused. */
export function isOngoing(recording: Recording): boolean {
  return ["recording", "paused", "lost"].includes(recording.status) && recording.endedAt === null;
}

export function pause(recording: Recording, now: number): boolean {
  if (recording.status !== "recording" || recording.endedAt !== null) return false;
  recording.status = "paused";
  recording.pausedAt = now;
  return true;
}

export function resume(recording: Recording, now: number): boolean {
  if (recording.status !== "paused") return false;
  recording.status = "recording";
  endPause(recording, now);
  return true;
}

function endPause(recording: Recording, now: number): void {
  if (recording.pausedAt === null) return;
  recording.pausedMs += Math.max(0, now - recording.pausedAt);
  recording.pausedAt = null;
}

/** Ends the collection. The sender stops the session after `finishStop`. */
export function beginStop(recording: Recording, now: number): boolean {
  if (!isOngoing(recording)) return false;
  endPause(recording, now);
  recording.endedAt = now;
  return true;
}

/** Every visit has ended: the sender may send the rest and stop the session. */
export function finishStop(recording: Recording): undefined {
  if (recording.status !== "lost") recording.status = "stopping";
}

/** The browser was closed: the recording ended with its last heartbeat. */
export function interrupt(recording: Recording): undefined {
  recording.endedAt = recording.pausedAt ?? recording.lastAliveAt;
  if (recording.status !== "lost") recording.status = "interrupted";
}

export function continueInterrupted(recording: Recording, scope: Scope, now: number): boolean {
  if (recording.status !== "interrupted") return false;
  // Nothing was recorded since the interruption, so the time counts as a pause.
  recording.pausedMs += Math.max(0, now - (recording.endedAt ?? now));
  recording.pausedAt = null;
  recording.endedAt = null;
  recording.status = "recording";
  recording.scope = scope;
  recording.lastAliveAt = now;
  return true;
}

export function finishInterrupted(recording: Recording): boolean {
  if (recording.status !== "interrupted") return false;
  recording.pausedAt = null;
  recording.status = "stopping";
  return true;
}

export function inScope(scope: Scope, tabId: number, windowId: number): boolean {
  if (scope.kind === "tab") return scope.tabId === tabId;
  if (scope.kind === "window") return scope.windowId === windowId;
  return true;
}
