/** What the popup and the badge show: a plain snapshot that the worker publishes after every change. */

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

/** How far the map is. `none`: the server has not begun, or does not make one. */
export interface Generation {
  recordingId: string;
  status: "none" | "pending" | "generating" | "completed" | "failed";
  stage: string | null;
  percent: number | null;
  message: string | null;
}

export interface View {
  at: number;
  account: { email: string; isExpired: boolean } | null;
  /** The recording the popup is about; null when a new one can begin. */
  current: RecordingView | null;
  /** Earlier recordings whose events are still on their way. */
  earlier: { recordings: number; waiting: number };
  generation: Generation | null;
}

/** In `storage.session`: memory only, closed to content scripts, gone with the browser. */
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

/** The badge says what is so: pages while recording, a pause sign, a mark when something needs the user. */
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

/** Something has been waiting longer than a minute. */
export function isSlow(receipt: Receipt, now: number): boolean {
  return receipt.waitingSince !== null && now - receipt.waitingSince > SLOW_MS;
}
