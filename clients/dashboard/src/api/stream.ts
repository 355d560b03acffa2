/**
 * The events of a session, or of a map over several (server-sent events). `EventSource` cannot send a token, so this module reads the stream
 * itself.
 */
import { isRecord, readError } from "@trailmind/api";
import { createParser } from "eventsource-parser";
import { authorizedFetch } from "./client";
import { markLost, markReached } from "./connection";
import { type MapOwner, ownerPath } from "./queries";

export interface MapEvent {
  event: string;
  data: Record<string, unknown>;
}

/** The interval of keep-alive comments of a server that does not state it. */
const DEFAULT_BEAT_MS = 15_000;
const NUM_MISSED_BEATS = 2;
/** A beat may be late by this much before it counts as missed. */
const SLACK_MS = 1_000;

/**
 * Calls `onEvent` until the stream ends or `signal` is aborted. Throws ApiError when it cannot be opened, and when
 * nothing arrives for two keep-alive intervals.
 */
async function readEvents(owner: MapOwner, signal: AbortSignal, onEvent: (event: MapEvent) => void): Promise<void> {
  const url = new URL(`${ownerPath(owner)}/stream?follow=true`, location.origin);
  const silence = new AbortController();
  let beatMs = DEFAULT_BEAT_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expectBeat = () => {
    clearTimeout(timer);
    timer = setTimeout(
      () => {
        markLost();
        silence.abort();
      },
      NUM_MISSED_BEATS * beatMs + SLACK_MS,
    );
  };
  try {
    expectBeat();
    const either = AbortSignal.any([signal, silence.signal]);
    const headers = { Accept: "text/event-stream" };
    const response = await authorizedFetch(new Request(url, { signal: either, headers }), null);
    if (!response.ok || !response.body) throw await readError(response);
    const parser = createParser({
      onEvent(message) {
        let payload: unknown;
        try {
          payload = JSON.parse(message.data);
        } catch {
          return;
        }
        if (!isRecord(payload)) return;
        if (typeof payload.keep_alive_s === "number") beatMs = payload.keep_alive_s * 1000;
        onEvent({ event: message.event ?? "message", data: payload });
      },
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      markReached();
      parser.feed(value);
      expectBeat();
    }
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Reads and reconnects with growing pauses until `isDone` returns true or `signal` is aborted. A stream may be cut at
 * any time; the server counts as lost when it cannot be opened again or stays silent.
 */
export async function followEvents(
  owner: MapOwner,
  signal: AbortSignal,
  onEvent: (event: MapEvent) => void,
  isDone: () => boolean,
): Promise<void> {
  let pauseMs = 500;
  while (!signal.aborted && !isDone()) {
    let hasEvents = false;
    try {
      await readEvents(owner, signal, (event) => {
        pauseMs = 500;
        hasEvents = true;
        onEvent(event);
      });
    } catch {
      if (signal.aborted) return;
      // A stream that worked may have been cut by a proxy: the next try decides.
      if (hasEvents) pauseMs = 500;
      else markLost();
    }
    if (isDone()) return;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(pauseMs * 2, 15_000);
  }
}
