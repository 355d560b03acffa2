import { beforeEach, describe, expect, test } from "vitest";

import { FakeClock, makeEvent, makeOpenVisit, makeRecording } from "../testing/fixtures";
import { QueueStore } from "./store";

let clock: FakeClock;
let store: QueueStore;

beforeEach(async () => {
  clock = new FakeClock();
  store = new QueueStore("trailmind", clock.now);
  await store.addRecording(makeRecording("r1"));
});

const sent = async (max = 100) => (await store.nextBatch("r1", max)).batch;

test("places are without gaps per recording, also for concurrent calls", async () => {
  await store.addRecording(makeRecording("r2"));
  await Promise.all(Array.from({ length: 30 }, (_, i) => store.append(i % 3 === 0 ? "r2" : "r1", makeEvent())));
  expect((await store.waiting("r1")).map(({ place }) => place)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect((await store.waiting("r2")).map(({ place }) => place)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
});

test("an event id is queued once, before and after its verdict", async () => {
  const body = makeEvent();
  expect(await store.append("r1", body)).toBe(true);
  expect(await store.append("r1", body)).toBe(false);
  await store.applyVerdicts("r1", [{ eventId: body.event_id, verdict: "stored", reason: null }]);
  expect(await store.append("r1", body)).toBe(false);
  expect(await store.receipt("r1")).toMatchObject({ seen: 1, stored: 1, waiting: 0 });
});

test("a new store reads what another one wrote", async () => {
  await store.append("r1", makeEvent({ type: "page_visit" }));
  await store.close();
  const next = new QueueStore("trailmind", clock.now);
  expect(await next.waiting("r1")).toHaveLength(1);
  expect((await next.recording("r1"))?.counts).toMatchObject({ seen: 1, pages: 1 });
});

describe("verdicts", () => {
  test("each removes its own event and counts once; the receipt adds up", async () => {
    const events = [makeEvent(), makeEvent(), makeEvent(), makeEvent(), makeEvent()];
    for (const body of events) await store.append("r1", body);
    const kinds = ["stored", "duplicate", "excluded", "invalid"] as const;
    const settlements = kinds.map((verdict, i) => ({ eventId: events[i]?.event_id ?? "", verdict, reason: "why" }));
    await store.applyVerdicts("r1", settlements);
    await store.applyVerdicts("r1", settlements);
    const receipt = await store.receipt("r1");
    expect(receipt).toMatchObject({ seen: 5, stored: 2, excluded: 1, invalid: 1, waiting: 1 });
    expect((await store.waiting("r1"))[0]?.eventId).toBe(events[4]?.event_id);
  });

  test("an invalid event is kept with its content", async () => {
    const body = makeEvent({ text: "a sentence" });
    await store.append("r1", body);
    await store.applyVerdicts("r1", [{ eventId: body.event_id, verdict: "invalid", reason: "odd" }]);
    expect(await store.quarantined("r1")).toMatchObject([{ reason: "odd", seq: null, body: { text: "a sentence" } }]);
  });

  test("a settled event keeps no content", async () => {
    const body = makeEvent({ url: "https://example.com/private", content: "words" });
    await store.append("r1", body);
    await store.applyVerdicts("r1", [{ eventId: body.event_id, verdict: "stored", reason: null }]);
    expect(JSON.stringify(await store.settled("r1"))).not.toMatch(/private|words/);
  });
});

describe("held events", () => {
  test("wait until their time, and other events are sent before", async () => {
    const visit = makeEvent({ type: "page_visit" });
    await store.append("r1", visit, clock.time + 5_000);
    await store.append("r1", makeEvent());
    expect((await sent()).map(({ place }) => place)).toEqual([2]);
    expect((await store.nextBatch("r1", 100)).heldUntil).toBe(clock.time + 5_000);
    clock.advance(5_001);
    expect((await sent()).map(({ place }) => place)).toEqual([1, 2]);
  });

  test("are ready when they are complete, with metadata merged", async () => {
    const visit = makeEvent({ type: "page_visit", metadata: { tab_id: 1 } });
    await store.append("r1", visit, clock.time + 5_000);
    expect(await store.completeEvent(visit.event_id, { title: "T", metadata: { language: "ko" } })).toBe(true);
    expect((await sent())[0]?.body).toMatchObject({ title: "T", metadata: { tab_id: 1, language: "ko" } });
    await store.applyVerdicts("r1", [{ eventId: visit.event_id, verdict: "stored", reason: null }]);
    expect(await store.completeEvent(visit.event_id, { title: "late" })).toBe(false);
  });

  test("a visit of a page with a password field is withdrawn and counts as excluded", async () => {
    const visit = makeEvent({ type: "page_visit" });
    await store.openVisit(makeOpenVisit(visit.event_id), visit, clock.time + 5_000);
    await store.withdrawVisit("r1", visit.event_id, "password_field");
    expect(await store.receipt("r1")).toMatchObject({ seen: 1, excluded: 1, waiting: 0 });
    expect(await store.visits("r1")).toEqual([]);
    expect((await store.recording("r1"))?.counts.pages).toBe(0);
  });
});

test("an excluded page counts once per document", async () => {
  await store.countExcluded("r1", "doc", "banking");
  await store.countExcluded("r1", "doc", "banking");
  expect(await store.receipt("r1")).toMatchObject({ seen: 1, excluded: 1 });
});

test("a visit ends once, with the first final event", async () => {
  const visit = makeEvent({ type: "page_visit" });
  await store.openVisit(makeOpenVisit(visit.event_id), visit, clock.time + 5_000);
  const finalEvent = () => makeEvent({ type: "page_leave" });
  const ended = await Promise.all([
    store.closeVisit(visit.event_id, finalEvent),
    store.closeVisit(visit.event_id, finalEvent),
  ]);
  expect(ended.filter(Boolean)).toHaveLength(1);
  expect((await sent()).map(({ body }) => body.type)).toEqual(["page_visit", "page_leave"]);
});

test("sequence numbers are assigned once, when sent; a withdrawn event leaves no gap", async () => {
  const [first, taken, last] = [makeEvent(), makeEvent({ type: "page_visit" }), makeEvent()];
  await store.append("r1", first);
  await store.append("r1", taken, clock.time + 5_000);
  await store.append("r1", last);
  expect(await store.withdrawVisit("r1", taken.event_id, "password_field")).toBe(true);
  const seqs = (batch: { seq: number | null }[]) => batch.map(({ seq }) => seq);
  expect(seqs(await store.assignSeq("r1", await sent()))).toEqual([1, 2]);
  await store.append("r1", makeEvent());
  expect(seqs(await store.assignSeq("r1", await sent()))).toEqual([1, 2, 3]);
  expect(await store.withdrawVisit("r1", first.event_id, "password_field")).toBe(false);
});

test("batches respect number and size", async () => {
  for (let i = 0; i < 30; i += 1) await store.append("r1", makeEvent({ content: "x".repeat(1_000) }));
  expect(await sent(20)).toHaveLength(20);
  expect((await store.nextBatch("r1", 100, 5_000)).batch.length).toBeLessThan(5);
});

test("waiting events move to another recording with their ids and without their numbers", async () => {
  const gone = makeEvent();
  await store.append("r1", gone);
  await store.applyVerdicts("r1", [{ eventId: gone.event_id, verdict: "stored", reason: null }]);
  const visit = makeEvent({ type: "page_visit" });
  await store.openVisit(makeOpenVisit(visit.event_id), visit, 0);
  await store.append("r1", makeEvent({ type: "highlight" }));
  await store.addRecording(makeRecording("r2"));
  expect(await store.moveWaiting("r1", "r2")).toBe(2);
  expect((await store.waiting("r2")).map(({ place }) => place)).toEqual([1, 2]);
  expect((await store.visits("r2")).map(({ id }) => id)).toEqual([visit.event_id]);
  expect(await store.receipt("r1")).toMatchObject({ seen: 1, stored: 1, waiting: 0 });
  expect(await store.receipt("r2")).toMatchObject({ seen: 2, waiting: 2 });
  expect((await store.recording("r2"))?.counts).toMatchObject({ pages: 1, highlights: 1 });
});

test("deleting a recording leaves no data", async () => {
  await store.append("r1", makeEvent());
  await store.countExcluded("r1", "doc", "banking");
  const visit = makeEvent({ type: "page_visit" });
  await store.openVisit(makeOpenVisit(visit.event_id), visit, 0);
  await store.deleteRecording("r1");
  expect(await store.recordings()).toEqual([]);
  expect(await store.waiting("r1")).toEqual([]);
  expect(await store.settled("r1")).toEqual([]);
  expect(await store.visits("r1")).toEqual([]);
});
