import type { ForgetBody } from "@trailmind/api";
import { hostOf } from "~/ui/basics";

export type ForgetScope = "page" | "site" | "hour";

const HOUR_MS = 3_600_000;

/** The full hour in which a page was visited, by the clock of this browser. */
export function hourOf(visitedMs: number): { from: Date; to: Date } {
  const from = new Date(visitedMs);
  from.setMinutes(0, 0, 0);
  return { from, to: new Date(from.getTime() + HOUR_MS) };
}

/** The request. A page is forgotten in its session, if one is named; a site, and an hour, wherever they were recorded. */
export function forgetBody(
  scope: ForgetScope,
  page: { sessionId: string | null; pageId: string; url: string; visitedMs: number | null },
): ForgetBody {
  if (scope === "site") return { domain: hostOf(page.url) };
  if (scope === "hour" && page.visitedMs !== null) {
    const { from, to } = hourOf(page.visitedMs);
    return { since: from.toISOString(), until: to.toISOString() };
  }
  return { page_id: page.pageId, ...(page.sessionId === null ? {} : { session_id: page.sessionId }) };
}
