import { expect, test } from "vitest";
import { forgetBody, hourOf } from "~/session/forget-body";

const page = {
  sessionId: "s1",
  pageId: "p_1",
  url: "https://www.clinic.test/a?b=1",
  visitedMs: Date.UTC(2026, 10, 28, 9, 42, 10),
};

test("a page is forgotten in its session, or in all without one", () => {
  expect(forgetBody("page", page)).toEqual({ page_id: "p_1", session_id: "s1" });
  expect(forgetBody("page", { ...page, sessionId: null })).toEqual({ page_id: "p_1" });
});

test("a site is forgotten by its host", () => {
  expect(forgetBody("site", page)).toEqual({ domain: "clinic.test" });
});

test("an hour is the full hour around the visit", () => {
  const { from, to } = hourOf(page.visitedMs);
  expect(to.getTime() - from.getTime()).toBe(3_600_000);
  expect(from.getTime() <= page.visitedMs && page.visitedMs < to.getTime()).toBe(true);
  expect(forgetBody("hour", page)).toEqual({ since: from.toISOString(), until: to.toISOString() });
});
