import { expect, test } from "vitest";

import { retryDelayMs } from "./backoff";

test("the delay grows with every failure up to a minute", () => {
  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 20].map((failures) => retryDelayMs(failures, null, () => 1));
  expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test("the jitter leaves at least a quarter of the delay", () => {
  expect(retryDelayMs(4, null, () => 0)).toBe(2_000);
  expect(retryDelayMs(4, null, () => 0.5)).toBe(5_000);
});

test("the delay is at least Retry-After", () => {
  expect(retryDelayMs(1, 30_000, () => 0)).toBe(30_000);
  expect(retryDelayMs(1, 30_000, () => 1)).toBe(30_250);
});
