import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { AlarmClock, SEND_ALARM } from "./alarm-clock";

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

function make() {
  const alarms = { create: vi.fn(), clear: vi.fn() };
  const ring = vi.fn();
  return { alarms, ring, clock: new AlarmClock(alarms, ring) };
}

test("fires on time, with an alarm in case the worker is stopped", () => {
  const { clock, ring, alarms } = make();
  clock.setNoLaterThan(5_000);
  expect(alarms.create).toHaveBeenCalledWith(SEND_ALARM, { when: 30_000 });
  vi.advanceTimersByTime(4_999);
  expect(ring).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(ring).toHaveBeenCalledOnce();
});

test("a later time does not replace an earlier one", () => {
  const { clock, ring } = make();
  clock.setNoLaterThan(5_000);
  vi.advanceTimersByTime(3_000);
  clock.setNoLaterThan(8_000);
  vi.advanceTimersByTime(2_000);
  expect(ring).toHaveBeenCalledOnce();
});

test("null cancels timer and alarm", () => {
  const { clock, ring, alarms } = make();
  clock.setNoLaterThan(5_000);
  clock.set(null);
  vi.advanceTimersByTime(60_000);
  expect(ring).not.toHaveBeenCalled();
  expect(alarms.clear).toHaveBeenCalledWith(SEND_ALARM);
});
