import { expect, test } from "vitest";

import { makeOpenVisit } from "../testing/fixtures";
import { inferActiveMs } from "./visits";

const SNAPSHOT_AT = 1_000_000;

test.each([
  ["an active page counts until its end", true, 4_000, 9_000],
  ["at most until the next report was due", true, 60_000, 16_000],
  ["an inactive page counts until its snapshot", false, 4_000, 5_000],
  ["an end before the snapshot adds nothing", true, -3_000, 5_000],
])("%s", (_, isActive, sinceSnapshotMs, expected) => {
  const visit = makeOpenVisit("v1", { isActive, activeMs: 5_000, snapshotAt: SNAPSHOT_AT });
  expect(inferActiveMs(visit, SNAPSHOT_AT + sinceSnapshotMs)).toBe(expected);
});
