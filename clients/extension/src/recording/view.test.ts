import { expect, test } from "vitest";

import { makeRecording } from "../testing/fixtures";
import { selectCurrent } from "./make-view";
import { badgeOf, elapsedMs, isSlow, type RecordingView, type View } from "./view";

const receipt = { seen: 3, stored: 3, excluded: 0, invalid: 0, waiting: 0, waitingSince: null };
const view = (fields: Partial<RecordingView>): View => ({
  at: 100_000,
  account: null,
  earlier: { recordings: 0, waiting: 0 },
  generation: null,
  current: {
    id: "r",
    serverId: "s",
    origin: "o",
    status: "recording",
    title: "",
    scope: "all",
    startedAt: 0,
    endedAt: null,
    pausedAt: null,
    pausedMs: 0,
    pages: 7,
    highlights: 0,
    receipt,
    sendError: null,
    lostReason: null,
    ...fields,
  },
});

test("the badge shows the state of the recording", () => {
  expect(badgeOf(view({}))).toEqual({ text: "7", color: "#dc2626" });
  expect(badgeOf(view({ pages: 0 })).text).toBe("●");
  expect(badgeOf(view({ pages: 5_000 })).text).toBe("999+");
  expect(badgeOf(view({ status: "paused" })).text).toBe("❚❚");
  expect(badgeOf(view({ status: "interrupted" })).text).toBe("!");
  expect(badgeOf(view({ status: "lost" })).text).toBe("!");
  expect(badgeOf(view({ status: "stopping" })).text).toBe("…");
  expect(badgeOf(view({ status: "completed" })).text).toBe("");
  expect(badgeOf({ ...view({}), current: null }).text).toBe("");
  expect(badgeOf({ ...view({}), current: null, earlier: { recordings: 1, waiting: 4 } }).text).toBe("…");
});

test("the badge is amber if an event waits for more than a minute", () => {
  expect(badgeOf(view({ receipt: { ...receipt, waiting: 1, waitingSince: 30_000 } })).color).toBe("#b45309");
  expect(isSlow({ ...receipt, waiting: 1, waitingSince: 50_000 }, 100_000)).toBe(false);
});

test("recorded time excludes pauses", () => {
  const base = { startedAt: 0, endedAt: null, pausedAt: null, pausedMs: 10_000 };
  expect(elapsedMs(base, 60_000)).toBe(50_000);
  expect(elapsedMs({ ...base, pausedAt: 40_000 }, 60_000)).toBe(30_000);
  expect(elapsedMs({ ...base, endedAt: 50_000 }, 60_000)).toBe(40_000);
});

test("a recording that needs a decision is shown before one that has ended", () => {
  const named = (id: string, status: "recording" | "lost" | "stopping" | "completed", at: number) => ({
    ...makeRecording(id, at),
    status,
  });
  expect(selectCurrent([named("a", "completed", 3), named("b", "lost", 1)])?.id).toBe("b");
  expect(selectCurrent([named("a", "lost", 3), named("b", "recording", 1)])?.id).toBe("b");
  expect(selectCurrent([named("a", "stopping", 1), named("b", "completed", 2)])?.id).toBe("b");
  expect(selectCurrent([])).toBeNull();
});
