/**
 * The events of one session (server-sent events). `EventSource` cannot send a token, so this module reads the stream
 * itself.
 */
import { isRecord, readError } from "@trailmind/api";
import { createParser } from "eventsource-parser";
import { authorizedFetch } from "./client";

export interface SessionEvent {
  event: string;
  data: Record<string, unknown>;
}

/** Calls `onEvent` until the stream ends or `signal` is aborted. Throws ApiError when it cannot be opened. */
async function readEvents(
  sessionId: string,
  signal: AbortSignal,
  onEvent: (event: SessionEvent) => void,
): Promise<void> {
  const url = new URL(`/v1/sessions/${encodeURIComponent(sessionId)}/stream`, location.origin);
  const response = await authorizedFetch(new Request(url, { signal, headers: { Accept: "text/event-stream" } }), null);
  if (!response.ok || !response.body) throw await readError(response);
  const parser = createParser({
    onEvent(message) {
      let payload: unknown;
      try {
        payload = JSON.parse(message.data);
      } catch {
        return;
      }
      if (isRecord(payload)) onEvent({ event: message.event ?? "message", data: payload });
    },
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(value);
  }
}

/** Reads and reconnects with growing pauses until `isDone` returns true or `signal` is aborted. */
export async function followSessionEvents(
  sessionId: string,
  signal: AbortSignal,
  onEvent: (event: SessionEvent) => void,
  isDone: () => boolean,
): Promise<void> {
  let pauseMs = 500;
  while (!signal.aborted && !isDone()) {
    try {
      await readEvents(sessionId, signal, (event) => {
        pauseMs = 500;
        onEvent(event);
      });
    } catch {
      if (signal.aborted) return;
    }
    if (isDone()) return;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(pauseMs * 2, 15_000);
  }
}
