import { expect, test } from "vitest";

import { makeOpenVisit } from "../testing/fixtures";
import { highlightEvent, leaveEvent, signalEvent, visitDetails, visitEvent } from "./events";

test("a visit has its tab, opener and origin", () => {
  const message = { visitId: "v", at: 12.7, via: "load", url: "https://u:p@a.com/x?api_key=1" } as const;
  expect(visitEvent(message, { tabId: 3, openerVisitId: "o" })).toEqual({
    event_id: "v",
    type: "page_visit",
    timestamp: 13,
    url: "https://a.com/x?api_key=REDACTED",
    metadata: { tab_id: 3, via: "load", opener_visit_id: "o" },
  });
});

test("empty details add no fields", () => {
  expect(visitDetails("", "", null)).toEqual({});
});

test("a final event is never earlier than its visit", () => {
  const visit = makeOpenVisit("v", { startedAt: 5_000, activeMs: 12.4, maxScroll: 0.66666 });
  expect(leaveEvent(visit, 4_000, "e")).toMatchObject({ timestamp: 5_000, duration_ms: 12, max_scroll_depth: 0.667 });
});

test("a highlight in a frame has the frame's address, with secrets redacted", () => {
  const message = {
    kind: "highlight",
    highlightId: "h",
    visitId: null,
    url: "",
    at: 1,
    text: "t",
    selector: "",
    anchor: null,
    via: "menu",
  } as const;
  const made = highlightEvent(message, { id: null, url: "https://a.com/", tabId: 1 }, "https://b.com/?token=x");
  expect(made).toEqual({
    event_id: "h",
    type: "highlight",
    timestamp: 1,
    url: "https://a.com/",
    text: "t",
    metadata: { tab_id: 1, via: "menu", frame_url: "https://b.com/?token=REDACTED" },
  });
});

test("a signal has the id of its visit", () => {
  expect(signalEvent("idle", makeOpenVisit("v"), 9, "e")).toMatchObject({
    type: "idle",
    url: "https://example.com/",
    metadata: { visit_id: "v" },
  });
});
