import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { lostSince, markReached } from "~/api/connection";
import { loadPart } from "~/load-part";

const missing = new TypeError("Failed to fetch dynamically imported module");
const reload = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  markReached();
  sessionStorage.clear();
  reload.mockReset();
  vi.stubGlobal("location", { reload });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A part whose file cannot be had the first `numFailures` times. */
const part = (numFailures: number) =>
  vi.fn(async () => {
    if (numFailures-- > 0) throw missing;
    return "the part";
  });

it("waits for a server that does not answer, says so, and does not reload the page", async () => {
  const health = vi
    .fn<() => Promise<Response>>()
    .mockRejectedValueOnce(new TypeError("Failed to fetch"))
    .mockResolvedValueOnce(new Response("", { status: 503 }))
    .mockResolvedValue(new Response("{}"));
  vi.stubGlobal("fetch", health);
  const loaded = loadPart(part(1));
  await vi.advanceTimersByTimeAsync(0);
  expect(lostSince()).not.toBeNull();
  await vi.advanceTimersByTimeAsync(4_000);
  expect(await loaded).toBe("the part");
  expect(lostSince()).toBeNull();
  expect(health).toHaveBeenCalledTimes(3);
  expect(reload).not.toHaveBeenCalled();
});

it("reloads the page, at most once in ten seconds, when an updated server no longer has the file", async () => {
  vi.stubGlobal("fetch", async () => new Response("{}"));
  const isSettled = vi.fn();
  void loadPart(part(2)).finally(isSettled);
  await vi.advanceTimersByTimeAsync(0);
  expect(reload).toHaveBeenCalledTimes(1);
  // The page keeps what it shows until it is gone.
  expect(isSettled).not.toHaveBeenCalled();
  await expect(loadPart(part(2))).rejects.toBe(missing);
  expect(reload).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(10_000);
  void loadPart(part(2));
  await vi.advanceTimersByTimeAsync(0);
  expect(reload).toHaveBeenCalledTimes(2);
});
