/** The timeline as rows: visits with their highlights, pauses, times away, gaps, and highlights without a visit. Pure. */
import type { Highlight, Timeline, Visit } from "~/api/queries";

export type Row =
  | { kind: "visit"; key: string; atMs: number; visit: Visit; nodeId: string | null; hue: number | null }
  | { kind: "highlight"; key: string; atMs: number; highlight: Highlight }
  | { kind: "away"; key: string; atMs: number; lengthMs: number | null; reason: "idle" | "other_window" }
  | { kind: "pause"; key: string; atMs: number; lengthMs: number | null }
  | { kind: "gap"; key: string; atMs: number; lengthMs: number };

/** A time without a visit from this length on is shown as a gap. */
export const GAP_MS = 5 * 60_000;
/** A time away from this length on is shown. */
const AWAY_MS = 60_000;

export interface Placement {
  nodeOfPage: (pageId: string) => string | null;
  hueOf: (nodeId: string) => number | null;
}

const ms = (time: string) => Date.parse(time);

/** Rows in chronological order. A gap that overlaps a pause or a time away is not shown. */
export function timelineRows(timeline: Timeline, place: Placement): Row[] {
  const pauses = timeline.pauses.map((pause, i) => ({
    kind: "pause" as const,
    key: `pause-${i}`,
    atMs: ms(pause.started_at),
    lengthMs: pause.ended_at ? ms(pause.ended_at) - ms(pause.started_at) : null,
  }));
  // A replica of the previous version sends no times away during an update.
  const away = (timeline.away ?? []).map((each, i) => ({
    kind: "away" as const,
    key: `away-${i}`,
    atMs: ms(each.started_at),
    lengthMs: each.ended_at ? ms(each.ended_at) - ms(each.started_at) : null,
    reason: each.reason,
  }));
  const highlights = timeline.highlights.map((highlight) => ({
    kind: "highlight" as const,
    key: highlight.id,
    atMs: ms(highlight.created_at),
    highlight,
  }));
  const shownAway = away.filter((each) => each.lengthMs === null || each.lengthMs >= AWAY_MS);
  const rows: Row[] = [...pauses, ...shownAway, ...highlights];
  let end: number | null = null;
  for (const visit of [...timeline.visits].sort((a, b) => ms(a.visited_at) - ms(b.visited_at))) {
    const at = ms(visit.visited_at);
    if (end !== null && at - end >= GAP_MS) {
      const from = end;
      const paused = [...pauses, ...shownAway].some((p) => p.atMs < at && p.atMs + (p.lengthMs ?? 0) > from);
      if (!paused) rows.push({ kind: "gap", key: `gap-${visit.id}`, atMs: from, lengthMs: at - from });
    }
    end = Math.max(end ?? 0, ms(visit.ended_at));
    const nodeId = place.nodeOfPage(visit.page_id);
    rows.push({ kind: "visit", key: visit.id, atMs: at, visit, nodeId, hue: nodeId ? place.hueOf(nodeId) : null });
  }
  const order = { gap: 0, pause: 1, away: 2, visit: 3, highlight: 4 };
  return rows.sort((a, b) => a.atMs - b.atMs || order[a.kind] - order[b.kind]);
}

export interface Range {
  fromMs: number;
  toMs: number;
}

/** The time from the first to the end of the last visit; null without visits. */
export function timeSpan(rows: readonly Row[]): Range | null {
  let span: Range | null = null;
  for (const row of rows) {
    if (row.kind !== "visit") continue;
    const to = Math.max(ms(row.visit.ended_at), row.atMs + 1000);
    span = span
      ? { fromMs: Math.min(span.fromMs, row.atMs), toMs: Math.max(span.toMs, to) }
      : { fromMs: row.atMs, toMs: to };
  }
  return span;
}

/** The rows of some nodes (a topic's pages) in a time range. With a filter by nodes, only visits stay. */
export function filterRows(rows: readonly Row[], nodes: ReadonlySet<string> | null, range: Range | null): Row[] {
  return rows.filter((row) => {
    if (
      range &&
      (row.atMs > range.toMs || row.atMs + (row.kind === "visit" ? row.visit.duration_ms : 0) < range.fromMs)
    )
      return false;
    if (!nodes) return true;
    return row.kind === "visit" && row.nodeId !== null && nodes.has(row.nodeId);
  });
}

/** The index of the last row that started at or before `atMs`; 0 when there is none. */
export function rowAt(rows: readonly Row[], atMs: number): number {
  let index = 0;
  rows.forEach((row, i) => {
    if (row.atMs <= atMs) index = i;
  });
  return index;
}
