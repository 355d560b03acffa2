import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { lostSince, markReached } from "~/api/connection";
import { acceptLogin } from "~/api/login";
import { followEvents } from "~/api/stream";

const encoder = new TextEncoder();
let stop: AbortController;

beforeEach(() => {
  vi.useFakeTimers();
  markReached();
  stop = new AbortController();
  acceptLogin({ user: { id: "1", email: "ann@test.local" }, token: "t", expires_in: 900 });
});
afterEach(() => {
  stop.abort();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A server whose streams hold `chunks` and then stay silent. Returns the number of streams opened so far. */
function serve(chunks: string[]): () => number {
  let numOpened = 0;
  vi.stubGlobal("fetch", async (request: Request) => {
    numOpened += 1;
    const body = new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(encoder.encode(chunk));
        request.signal.addEventListener("abort", () => controller.error(new DOMException("stopped", "AbortError")));
      },
    });
    return new Response(body);
  });
  return () => numOpened;
}

const SNAPSHOT = 'event: snapshot\ndata: {"session_status":"recording","keep_alive_s":5}\n\n';

it("counts the server as lost after two missed beats, and opens the stream again", async () => {
  const opened = serve([SNAPSHOT]);
  void followEvents(
    { kind: "session", id: "s" },
    stop.signal,
    () => undefined,
    () => false,
  );
  await vi.advanceTimersByTimeAsync(9_000);
  expect(lostSince()).toBeNull();
  await vi.advanceTimersByTimeAsync(2_200);
  expect(lostSince()).not.toBeNull();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(opened()).toBe(2);
  expect(lostSince()).toBeNull();
});

it("does not count a stream as lost that is cut and opened again", async () => {
  let numOpened = 0;
  vi.stubGlobal("fetch", async () => {
    numOpened += 1;
    return new Response(SNAPSHOT);
  });
  void followEvents(
    { kind: "session", id: "s" },
    stop.signal,
    () => undefined,
    () => false,
  );
  await vi.advanceTimersByTimeAsync(3_000);
  expect(numOpened).toBeGreaterThan(1);
  expect(lostSince()).toBeNull();
});

it("counts the server as lost when the stream cannot be opened", async () => {
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("Failed to fetch");
  });
  void followEvents(
    { kind: "session", id: "s" },
    stop.signal,
    () => undefined,
    () => false,
  );
  await vi.advanceTimersByTimeAsync(100);
  expect(lostSince()).not.toBeNull();
});
