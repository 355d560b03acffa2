import type { PartStatus } from "@trailmind/api";
import { expect, it } from "vitest";
import { badgeClass, messageOf, remedyOf } from "~/admin/status-words";
import { ADMIN_WORDS } from "~/admin/words";

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

it("words details in Korean, with durations and amounts as people read them, and those of a newer server as it does", () => {
  const details: NonNullable<PartStatus["details"]> = [
    { code: "jobs_waiting_since", values: { count: 3, oldest_s: 7_260 } },
    { code: "database_size", values: { version: "18.1", used_bytes: 41_943_040 } },
  ];
  expect(messageOf(part({ details }), ADMIN_WORDS.ko, "ko")).toBe(
    "대기 3개(가장 오래된 것은 2시간 1분 전부터) · 버전 18.1, 40MB",
  );
  const unready: typeof details = [{ code: "api_not_ready", values: { parts: "postgresql,shards" } }];
  expect(messageOf(part({ details: unready }), ADMIN_WORDS.ko, "ko")).toBe(
    "응답하지만 준비되지 않음: PostgreSQL, 샤드",
  );
  expect(messageOf(part({ details }), ADMIN_WORDS.en, "en")).toBe("2 failed for all attempts");
  const newer = [...details, { code: "from_the_future", values: {} }] as unknown as typeof details;
  expect(messageOf(part({ details: newer }), ADMIN_WORDS.ko, "ko")).toBe("2 failed for all attempts");
  expect(messageOf(part({}), ADMIN_WORDS.ko, "ko")).toBe("2 failed for all attempts");
});
