import { describe, expect, it } from "vitest";
import type { Timeline, Visit } from "~/api/queries";
import { type MapModel, parseMap } from "~/map/model";
import { splitByMarks } from "~/search/results";
import { canMove } from "~/session/edits";
import { nextProgress } from "~/session/live-updates";
import { filterRows, GAP_MS, rowAt, timelineRows, timeSpan } from "~/session/timeline-rows";
import { batches, shiftToEndAt } from "~/sessions/sample";
import { hostOf, passageHref, safeHref } from "~/ui/basics";
import { mapData } from "./support";

const at = (minutes: number) => new Date(1_760_000_000_000 + minutes * 60_000).toISOString();
const visit = (id: string, from: number, to: number): Visit => ({
  id,
  url: `https://a.example/${id}`,
  title: id,
  visited_at: at(from),
  ended_at: at(to),
  duration_ms: (to - from) * 60_000,
  max_scroll_depth: 0.5,
  page_id: `page-0-${id}`,
  is_revisit: false,
  highlights: [],
});
const timeline = (visits: Visit[], pauses: Timeline["pauses"] = []): Timeline => ({
  visits,
  highlights: [],
  pauses,
  away: [],
  dwell_ms: 0,
  clock_skew_ms: 0,
});
const place = { nodeOfPage: (page: string) => (page === "page-0-9" ? null : `n-${page}`), hueOf: () => 3 };

describe("timelineRows", () => {
  it("is chronological and has gaps", () => {
    const rows = timelineRows(timeline([visit("2", 20, 22), visit("1", 0, 4)]), place);
    expect(rows.map((row) => row.kind)).toEqual(["visit", "gap", "visit"]);
    expect(rows[1]).toMatchObject({ lengthMs: 16 * 60_000 });
  });
  it("has a pause instead of the gap around it", () => {
    const rows = timelineRows(
      timeline([visit("1", 0, 4), visit("2", 20, 22)], [{ started_at: at(5), ended_at: at(19) }]),
      place,
    );
    expect(rows.map((row) => row.kind)).toEqual(["visit", "pause", "visit"]);
  });
  it("has no gap shorter than GAP_MS", () => {
    const rows = timelineRows(timeline([visit("1", 0, 1), visit("2", 1 + (GAP_MS - 1) / 60_000, 9)]), place);
    expect(rows.every((row) => row.kind === "visit")).toBe(true);
  });
  it("has the times away and the highlights without a visit", () => {
    const highlight = { id: "h", text: "Marked", color: "#FFFF00", url: "https://b.example/", created_at: at(6) };
    const away = [
      { reason: "idle" as const, started_at: at(5), ended_at: at(19) },
      { reason: "other_window" as const, started_at: at(23), ended_at: at(23.2) },
    ];
    const rows = timelineRows(
      { ...timeline([visit("1", 0, 4), visit("2", 20, 22)]), highlights: [highlight], away },
      place,
    );
    expect(rows.map((row) => row.kind)).toEqual(["visit", "away", "highlight", "visit"]);
    expect(filterRows(rows, new Set(["n-page-0-2"]), null).map((row) => row.kind)).toEqual(["visit"]);
  });
  it("filters by topic and by time", () => {
    const rows = timelineRows(timeline([visit("1", 0, 2), visit("2", 3, 4), visit("9", 5, 6)]), place);
    expect(filterRows(rows, new Set(["n-page-0-2"]), null).map((row) => row.key)).toEqual(["2"]);
    expect(
      filterRows(rows, null, { fromMs: Date.parse(at(1)), toMs: Date.parse(at(3.5)) }).map((row) => row.key),
    ).toEqual(["1", "2"]);
    expect(rowAt(rows, Date.parse(at(4.5)))).toBe(1);
    expect(timeSpan(rows)).toEqual({ fromMs: Date.parse(at(0)), toMs: Date.parse(at(6)) });
  });
});

describe("nextProgress", () => {
  it("keeps fields that an event does not contain", () => {
    const first = nextProgress(
      null,
      { status: "generating", stage: "reading", percent: 5, pages_read: 3, pages_total: 9 },
      100,
    );
    const second = nextProgress(first, { status: "generating", stage: "drawing", topics: ["Git", "Django"] }, 200);
    expect(second).toMatchObject({
      stage: "drawing",
      percent: 5,
      pagesRead: 3,
      pagesTotal: 9,
      topics: ["Git", "Django"],
      numTopics: 2,
      sinceMs: 100,
    });
  });
  it("ignores other events, and goes back to no earlier stage when the generation has ended", () => {
    const first = nextProgress(null, { mindmap: { status: "generating", stage: "saving" } }, 1);
    expect(nextProgress(first, { session_status: "processing" }, 2)).toBe(first);
    // The map that the page has read is that of the start: it is read again now.
    expect(nextProgress(first, { status: "completed" }, 2)).toBe(first);
    expect(nextProgress(null, { status: "completed" }, 2)).toBeNull();
  });
});

it("allows only valid moves", () => {
  const model = parseMap(mapData()) as MapModel;
  expect(canMove(model, "p0-0", "t1")).toBe(true);
  for (const [id, to] of [
    ["p0-0", "t0"],
    ["p0-0", "p1-0"],
    ["t0", "p0-0"],
    ["core", "t0"],
    ["t0", "t0"],
  ] as const)
    expect(canMove(model, id, to)).toBe(false);
});

it("shifts and batches a recording without losing or reordering events", () => {
  const events = [
    { type: "a", timestamp: 10 },
    { type: "b", timestamp: 40 },
  ];
  expect(shiftToEndAt(events, 1000).map((event) => event.timestamp)).toEqual([970, 1000]);
  const parts = batches(
    Array.from({ length: 111 }, (_, i) => i),
    12,
  );
  expect(parts.flat()).toEqual(Array.from({ length: 111 }, (_, i) => i));
  expect(parts.length).toBeLessThanOrEqual(12);
});

it("returns only http(s) links", () => {
  for (const bad of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "nonsense", "", null])
    expect(safeHref(bad)).toBeNull();
  expect(safeHref("https://a.example/b")).toBe("https://a.example/b");
  expect(hostOf("https://www.a.example/b")).toBe("a.example");
});

it("links to a passage by its text", () => {
  const link = (url: string, quote: string, pageText?: string) =>
    passageHref(url, { quote, ...(pageText ? { pageText } : {}) });
  expect(link("https://a.example/b", "two-word quote")).toBe("https://a.example/b#:~:text=two%2Dword%20quote");
  // One term, because the first words may stand earlier on the page.
  expect(link("https://a.example/", "one two three four five six seven eight nine ten")).toBe(
    "https://a.example/#:~:text=one%20two%20three%20four%20five%20six%20seven%20eight%20nine%20ten",
  );
  // The route of an application stays.
  expect(link("https://a.example/#/doc/7", "a quote")).toBe("https://a.example/#/doc/7:~:text=a%20quote");
  expect(link("javascript:x", "q")).toBeNull();
});

it("marks matches by code points", () => {
  expect(splitByMarks("👩 파이썬 문서", [{ start: 2, end: 5 }])).toEqual([
    { text: "👩 ", isMatch: false },
    { text: "파이썬", isMatch: true },
    { text: " 문서", isMatch: false },
  ]);
  expect(splitByMarks("abc", [{ start: 0, end: 99 }])).toEqual([{ text: "abc", isMatch: true }]);
});
