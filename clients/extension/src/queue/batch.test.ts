import { expect, test } from "vitest";

import { makeEvent } from "../testing/fixtures";
import { encodedBytes, eventsBody, fillBatch } from "./batch";
import type { QueuedEvent } from "./model";

const queued = (seq: number, content: string): QueuedEvent => {
  const body = makeEvent({ content });
  return {
    recording: "r",
    place: seq,
    seq,
    eventId: body.event_id,
    heldUntil: 0,
    queuedAt: 0,
    bytes: encodedBytes(body),
    body,
  };
};

test("a batch ends at the number or at the size, whichever is reached first", () => {
  const small = Array.from({ length: 10 }, (_, i) => queued(i, "x"));
  expect(fillBatch(small, 4, 1e6)).toHaveLength(4);
  const large = Array.from({ length: 10 }, (_, i) => queued(i, "x".repeat(1_000)));
  expect(fillBatch(large, 10, 3_000)).toHaveLength(2);
});

test("the first event is always included, however large", () => {
  expect(fillBatch([queued(1, "x".repeat(9_000))], 10, 100)).toHaveLength(1);
});

test("the size of the request is never underestimated", () => {
  const batch = Array.from({ length: 50 }, (_, i) => queued(i + 1_000_000, '한국어 "quotes" \n 😀'.repeat(20)));
  const actual = new TextEncoder().encode(JSON.stringify(eventsBody(batch))).byteLength;
  expect(actual).toBeLessThanOrEqual(batch.reduce((sum, { bytes }) => sum + bytes, 0) + 20);
});
