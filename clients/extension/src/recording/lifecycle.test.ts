import { expect, test } from "vitest";

import { makeRecording } from "../testing/fixtures";
import * as life from "./lifecycle";

const fresh = () => makeRecording("r1", 1_000);

test("a pause is not recorded time", () => {
  const r = fresh();
  expect(life.pause(r, 2_000)).toBe(true);
  expect(life.isCollecting(r)).toBe(false);
  expect(life.isOngoing(r)).toBe(true);
  expect(life.resume(r, 5_000)).toBe(true);
  expect(r).toMatchObject({ status: "recording", pausedMs: 3_000, pausedAt: null });
});

test("pausing twice or resuming a running recording changes nothing", () => {
  const r = fresh();
  expect(life.resume(r, 2_000)).toBe(false);
  life.pause(r, 2_000);
  expect(life.pause(r, 3_000)).toBe(false);
  expect(r.pausedAt).toBe(2_000);
});

test("a stop ends the collection and is sent when every visit has ended", () => {
  const r = fresh();
  life.beginStop(r, 9_000);
  expect(life.isCollecting(r)).toBe(false);
  expect(r.status).toBe("recording");
  life.finishStop(r);
  expect(r).toMatchObject({ status: "stopping", endedAt: 9_000 });
  expect(life.beginStop(r, 10_000)).toBe(false);
});

test("stopping during a pause counts the pause", () => {
  const r = fresh();
  life.pause(r, 2_000);
  life.beginStop(r, 6_000);
  expect(r).toMatchObject({ pausedMs: 4_000, pausedAt: null, endedAt: 6_000 });
});

test("an interruption ends at the last heartbeat; continuing makes it a pause", () => {
  const r = fresh();
  r.lastAliveAt = 8_000;
  life.interrupt(r);
  expect(r).toMatchObject({ status: "interrupted", endedAt: 8_000 });
  expect(life.continueInterrupted(r, { kind: "all" }, 20_000)).toBe(true);
  expect(r).toMatchObject({ status: "recording", endedAt: null, pausedMs: 12_000 });
});

test("finishing an interruption keeps its end", () => {
  const r = fresh();
  life.pause(r, 3_000);
  life.interrupt(r);
  expect(r.endedAt).toBe(3_000);
  expect(life.finishInterrupted(r)).toBe(true);
  expect(r).toMatchObject({ status: "stopping", endedAt: 3_000 });
  expect(life.finishInterrupted(r)).toBe(false);
});

test("a lost recording is collected until it is stopped, and stays lost", () => {
  const r = { ...fresh(), status: "lost" as const };
  expect(life.isCollecting(r)).toBe(true);
  life.beginStop(r, 9_000);
  life.finishStop(r);
  expect(r.status).toBe("lost");
  expect(life.isCollecting(r)).toBe(false);
});

test("the scope decides by tab and window", () => {
  expect(life.inScope({ kind: "all" }, 1, 1)).toBe(true);
  expect(life.inScope({ kind: "window", windowId: 2 }, 1, 1)).toBe(false);
  expect(life.inScope({ kind: "window", windowId: 2 }, 9, 2)).toBe(true);
  expect(life.inScope({ kind: "tab", tabId: 1 }, 1, 5)).toBe(true);
  expect(life.inScope({ kind: "tab", tabId: 1 }, 2, 5)).toBe(false);
});
