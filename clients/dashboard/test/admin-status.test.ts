import type { PartStatus } from "@trailmind/api";
import { expect, it } from "vitest";
import { badgeClass, remedyOf } from "~/admin/status-words";

const part = (changes: Partial<PartStatus>): PartStatus => ({
  name: "jobs",
  state: "attention",
  message: "2 failed for all attempts",
  ...changes,
});

it("words the remedy of a known problem itself, and of an unknown one as the server does", () => {
  const words = { remedies: { jobs_dead: "다시 시도할 수 있어요." } };
  expect(remedyOf(part({ problem: "jobs_dead", remedy: "`trailmind jobs`" }), words)).toBe("다시 시도할 수 있어요.");
  expect(remedyOf(part({ problem: "backlog", remedy: "read this" }), words)).toBe("read this");
  expect(remedyOf(part({}), words)).toBe("");
});

it("gives every state a badge of its own", () => {
  const states = ["ok", "off", "attention", "down"] as const;
  expect(new Set(states.map(badgeClass)).size).toBe(states.length);
});
