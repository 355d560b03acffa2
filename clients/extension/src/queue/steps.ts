/** The next request that brings the server up to date with a recording. Pure. */

import type { Recording } from "./model";

export type Step = "start" | "send" | "rename" | "report" | "pause" | "resume" | "stop" | null;

/**
 * The next step, null if none is possible now. `hasReady`: events can be sent; `hasWaiting`: events are queued, held
 * ones included.
 *
 * Events precede state changes: the server accepts no events after a stop, so the stop is always last.
 */
export function nextStep(recording: Recording, hasReady: boolean, hasWaiting: boolean): Step {
  if (recording.status === "completed" || recording.status === "lost") return null;
  if (recording.serverId === null) return "start";
  if (hasReady) return "send";
  if (!recording.isTitleSynced) return "rename";
  if ((recording.counts.excludedHere ?? 0) > (recording.reportedExcluded ?? 0)) return "report";
  switch (recording.status) {
    case "stopping":
      return hasWaiting ? null : "stop";
    case "paused":
      return recording.serverStatus === "recording" ? "pause" : null;
    case "recording":
      return recording.serverStatus === "paused" ? "resume" : null;
    default:
      return null;
  }
}
