/** The state that the popup and the badge show. The worker publishes it after every change. */

import { storage } from "wxt/utils/storage";

import type { RecordingStatus, SendError } from "../queue/model";
import type { Receipt } from "../queue/rules";

export type ScopeChoice = "all" | "window" | "tab";

export interface RecordingView {
  id: string;
  serverId: string | null;
  origin: string;
  status: RecordingStatus;
  title: string;
  scope: ScopeChoice;
  startedAt: number;
  endedAt: number | null;
  pausedAt: number | null;
  pausedMs: number;
  pages: number;
  highlights: number;
  receipt: Receipt;
  sendError: SendError | null;
  lostReason: "gone" | "closed" | null;
}

/** The progress of the map. `none`: the generation has not begun, or the server generates no map. */
export interface Generation {
  recordingId: string;
  status: "none" | "pending" | "generating" | "completed" | "failed";
  percent: number | null;
  /** Why a failed map was not drawn: the server's code, with the values of its sentence. */
  failure: { code: string; values: Record<string, string> } | null;
  /** The title of the completed map's session. */
  title: string | null;
}

export interface View {
  at: number;
  account: { email: string; isExpired: boolean } | null;
  /** The recording that the popup shows; null if a new one can be started. */
  current: RecordingView | null;
  /** Other recordings with events that are still to be sent. */
  earlier: { recordings: number; waiting: number };
  generation: Generation | null;
}

/** In `storage.session`: in memory, not readable by content scripts, deleted when the browser closes. */
export const viewItem = storage.defineItem<View | null>("session:view", { fallback: null });

/** Recorded time without pauses. */
export function elapsedMs(
  recording: Pick<RecordingView, "startedAt" | "endedAt" | "pausedAt" | "pausedMs">,
  now: number,
): number {
  const end = recording.endedAt ?? recording.pausedAt ?? now;
  return Math.max(0, end - recording.startedAt - recording.pausedMs);
}

export interface Badge {
  text: string;
  color: string;
}

const SLOW_MS = 60_000;

/** The number of pages during a recording, a pause sign, or an exclamation mark if the user has to decide. */
export function badgeOf(view: View): Badge {
  const { current } = view;
  if (!current) return view.earlier.waiting > 0 ? { text: "…", color: "#b45309" } : { text: "", color: "#dc2626" };
  switch (current.status) {
    case "recording":
      return {
        text: current.pages > 999 ? "999+" : current.pages === 0 ? "●" : String(current.pages),
        color: isSlow(current.receipt, view.at) ? "#b45309" : "#dc2626",
      };
    case "paused":
      return { text: "❚❚", color: "#6b7280" };
    case "interrupted":
    case "lost":
      return { text: "!", color: "#b45309" };
    case "stopping":
      return { text: "…", color: "#b45309" };
    case "completed":
      return { text: "", color: "#dc2626" };
  }
}

/** True if an event has been waiting for more than a minute. */
export function isSlow(receipt: Receipt, now: number): boolean {
  return receipt.waitingSince !== null && now - receipt.waitingSince > SLOW_MS;
}
