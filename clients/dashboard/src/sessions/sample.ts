/**
 * Plays a recorded session through the recording API: start, events in small batches, stop. The recordings are those
 * of `trailmind demo`.
 */
import { type EventBody, type Language, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import type { Session } from "~/api/queries";
import english from "../../../../launch/samples/02-web-app-week.events.json?url";
import korean from "../../../../launch/samples/05-mixed-korean-english.events.json?url";

/** Shifts all timestamps so that the recording ends at `nowMs`. */
export function shiftToEndAt(events: readonly EventBody[], nowMs: number): EventBody[] {
  const last = Math.max(...events.map((e) => e.timestamp));
  return events.map((e) => ({ ...e, timestamp: e.timestamp + nowMs - last }));
}

/** `items` in at most `count` batches of nearly equal length. */
export function batches<T>(items: readonly T[], count: number): T[][] {
  const size = Math.max(1, Math.ceil(items.length / count));
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

export interface Playback {
  language: Language;
  title: string | null;
  /** Called after the session is created and after every batch. */
  onProgress: (session: Session, played: number, total: number) => void;
  pauseMs?: number;
}

/** Returns the id of the session. Throws ApiError; events sent before the error stay recorded. */
export async function playSample({ language, title, onProgress, pauseMs = 500 }: Playback): Promise<string> {
  const recorded = (await (await fetch(language === "ko" ? korean : english)).json()) as EventBody[];
  const events = shiftToEndAt(recorded, Date.now());
  const { session } = await unwrap(api.POST("/v1/sessions/start", { body: title ? { title } : {} }));
  const params = { path: { session_id: session.id } };
  let played = 0;
  onProgress(session, played, events.length);
  for (const batch of batches(events, 12)) {
    await unwrap(api.POST("/v1/sessions/{session_id}/events", { params, body: { events: batch } }));
    played += batch.length;
    onProgress(session, played, events.length);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  await unwrap(api.POST("/v1/sessions/{session_id}/stop", { params }));
  return session.id;
}
