import type { RunReply } from "@trailmind/api";
import { expect, it } from "vitest";
import { actsOf, isAskedFirst, microsOf, percentOf } from "~/admin/run-acts";

const NOTHING: RunReply["progress"] = {
  total: 10,
  processed: 0,
  waiting: 10,
  running: 0,
  done: 0,
  unchanged: 0,
  superseded: 0,
  failed: 0,
  promoted: 0,
  rolled_back: 0,
  edits_lost: 0,
  tokens: 0,
  cost_micros: 0,
};
const acts = (status: RunReply["status"], progress: Partial<RunReply["progress"]> = {}) =>
  actsOf({ status, progress: { ...NOTHING, ...progress } });

it("offers what the status of a run allows", () => {
  expect(acts("running")).toEqual(["pause", "resume", "cancel"]);
  expect(acts("paused", { done: 3 })).toEqual(["resume", "cancel"]);
  expect(acts("stopped", { done: 3 })).toEqual(["resume", "promote", "cancel"]);
  expect(acts("finished", { done: 9, failed: 1 })).toEqual(["retry", "promote"]);
  expect(acts("finished")).toEqual([]);
  expect(acts("cancelled", { failed: 1 })).toEqual([]);
});

it("offers the rollback while maps of the run are shown, and the promotion while some are not", () => {
  expect(acts("promoted", { promoted: 8, done: 2 })).toEqual(["promote", "roll_back"]);
  expect(acts("promoted", { promoted: 10 })).toEqual(["roll_back"]);
  expect(acts("rolled_back", { rolled_back: 10 })).toEqual(["promote"]);
});

it("shows a run as done only when every map is", () => {
  expect(percentOf({ ...NOTHING, total: 1000, processed: 999 })).toBe(99);
  expect(percentOf({ ...NOTHING, total: 1000, processed: 1000 })).toBe(100);
  expect(percentOf({ ...NOTHING, total: 0 })).toBe(100);
});

it("asks before what users notice, what cannot be undone, and what may need another budget", () => {
  const asked = (status: RunReply["status"], progress = {}) =>
    acts(status, progress).filter((act) => isAskedFirst(act, { status }));
  expect(asked("running")).toEqual(["cancel"]);
  expect(asked("stopped", { done: 3 })).toEqual(["resume", "promote", "cancel"]);
  expect(asked("promoted", { promoted: 8, done: 2 })).toEqual(["promote", "roll_back"]);
});

it("reads a budget in dollars", () => {
  expect(microsOf("")).toBeUndefined();
  expect(microsOf("0.07")).toBe(70_000);
  expect(microsOf("19.99")).toBe(19_990_000);
});
