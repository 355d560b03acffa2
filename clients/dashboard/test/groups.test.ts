import { expect, it } from "vitest";
import { ageGroup, groupByAge } from "~/sessions/groups";

const now = new Date(2026, 10, 26, 15, 0); // a Thursday

it.each([
  [new Date(2026, 10, 26, 0, 0), "today"],
  [new Date(2026, 10, 25, 23, 59), "yesterday"],
  [new Date(2026, 10, 23, 0, 0), "week"],
  [new Date(2026, 10, 22, 23, 59), "month"],
  [new Date(2026, 9, 31, 23, 59), "older"],
])("puts %s into %s", (at, group) => {
  expect(ageGroup(at, now)).toBe(group);
});

it("keeps the order and leaves empty groups out", () => {
  const sessions = [
    { started_at: new Date(2026, 10, 26, 9).toISOString() },
    { started_at: new Date(2026, 8, 1).toISOString() },
  ];
  expect(groupByAge(sessions, now).map(([group, members]) => [group, members.length])).toEqual([
    ["today", 1],
    ["older", 1],
  ]);
});
