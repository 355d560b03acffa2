/** What the server still has to be told about a recording, one step at a time. Pure. */

import type { Recording } from "./model";

export type Step = "start" | "send" | "rename" | "pause" | "resume" | "stop" | null;

/**
 * The next thing to do, given whether events are ready and whether any wait at all (held ones included).
 *
 * Events go before state changes: the server takes none after a stop, so the stop is always last.
 */
export function nextStep(recording: Recording, hasReady: boolean, hasWaiting: boolean): Step {
  if (recording.status === "completed" || recording.status === "lost") return null;
  if (recording.serverId === null) return "start";
  if (hasReady) return "send";
  if (!recording.isTitleSynced) return "rename";
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
