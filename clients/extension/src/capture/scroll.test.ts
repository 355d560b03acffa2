// @vitest-environment happy-dom
import { expect, test, vi } from "vitest";

import { ScrollMeter, scrollDepth, watchScroll } from "./scroll";

test.each([
  [0, 800, 4_800, 0],
  [2_000, 800, 4_800, 0.5],
  [4_000, 800, 4_800, 1],
  [4_050, 800, 4_800, 1],
  [-20, 800, 4_800, 0],
  [0, 800, 800, 1],
  [0, 800, 300, 1],
])("at %i of %i/%i: %f", (y, view, page, depth) => {
  expect(scrollDepth(y, view, page)).toBe(depth);
});

test("keeps the deepest position", () => {
  const root = { scrollHeight: 1_800 };
  const page = { scrollY: 600, innerHeight: 800, document: { documentElement: root } };
  const meter = new ScrollMeter(page as unknown as Window);
  expect(meter.measure()).toBe(0.6);
  page.scrollY = 100;
  expect(meter.measure()).toBe(0.6);
  meter.restart();
  expect(meter.measure()).toBe(0.1);
});

test("reports at most once per interval, after the last scroll, and not after abort", () => {
  vi.useFakeTimers();
  const onScroll = vi.fn();
  const end = new AbortController();
  watchScroll(window, onScroll, end.signal, 250);
  for (let i = 0; i < 20; i += 1) {
    window.dispatchEvent(new Event("scroll"));
    vi.advanceTimersByTime(50);
  }
  vi.advanceTimersByTime(250);
  expect(onScroll.mock.calls.length).toBeGreaterThanOrEqual(3);
  expect(onScroll.mock.calls.length).toBeLessThanOrEqual(5);
  window.dispatchEvent(new Event("scroll"));
  end.abort();
  onScroll.mockClear();
  vi.advanceTimersByTime(1_000);
  expect(onScroll).not.toHaveBeenCalled();
  vi.useRealTimers();
});
