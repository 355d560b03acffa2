import { expect, test } from "vitest";

import { FakeClock } from "../testing/fixtures";
import { DwellClock, type Presence } from "./dwell";

const READING: Presence = { isVisible: true, isFocused: true, isIdle: false, isPlaying: false, isPaused: false };

function read(changes: [number, Partial<Presence>][], presence = READING): number {
  const clock = new FakeClock(0);
  const dwell = new DwellClock(presence, clock.now);
  for (const [ms, change] of changes) {
    clock.advance(ms);
    dwell.update(change);
  }
  return dwell.total();
}

test("counts only while visible, focused and not idle", () => {
  expect(
    read([
      [5_000, { isVisible: false }],
      [60_000, { isVisible: true }],
      [2_000, {}],
    ]),
  ).toBe(7_000);
  expect(
    read([
      [5_000, { isFocused: false }],
      [60_000, { isFocused: true }],
      [2_000, {}],
    ]),
  ).toBe(7_000);
  expect(
    read([
      [5_000, { isIdle: true }],
      [60_000, { isIdle: false }],
      [2_000, {}],
    ]),
  ).toBe(7_000);
  expect(
    read([
      [5_000, { isPaused: true }],
      [60_000, { isPaused: false }],
      [2_000, {}],
    ]),
  ).toBe(7_000);
});

test("playing media keeps the clock running while the user is idle", () => {
  expect(
    read([
      [5_000, { isPlaying: true }],
      [1_000, { isFocused: false, isIdle: true }],
      [9_000, {}],
    ]),
  ).toBe(15_000);
});

test("media in a hidden tab is not active time", () => {
  expect(
    read([
      [5_000, { isVisible: false, isPlaying: true }],
      [9_000, {}],
    ]),
  ).toBe(5_000);
});

test("a suspended machine is not active time", () => {
  expect(
    read([
      [5_000, {}],
      [3_600_000, {}],
      [1_000, {}],
    ]),
  ).toBe(6_000);
});

test("a clock that is set back does not reduce the time", () => {
  expect(
    read([
      [5_000, {}],
      [-60_000, {}],
      [1_000, {}],
    ]),
  ).toBe(6_000);
});

test("reports whether the clock started or stopped", () => {
  const dwell = new DwellClock(READING, () => 0);
  expect(dwell.update({ isIdle: false })).toBe(false);
  expect(dwell.update({ isIdle: true })).toBe(true);
  expect(dwell.update({ isVisible: false })).toBe(false);
});
