import { beforeEach, describe, expect, test, vi } from "vitest";
import type { PdfText } from "../pdf/text";
import type { PageMessage } from "../protocol";
import { QueueStore } from "../queue/store";
import { DEFAULT_SETTINGS, type Settings } from "../settings";
import { FakeClock } from "../testing/fixtures";
import type { Source } from "./page-messages";
import type { FinalEvent, PageExtract, Pages } from "./pages";
import { Recorder } from "./recorder";

class FakePages implements Pages {
  isInstalled = false;
  finalEvents: FinalEvent[] = [];
  broadcasts: string[] = [];
  alive = new Set<string>();
  extracted: PageExtract | null = {
    title: "T",
    url: "",
    referrer: "",
    text: "Body text.",
    method: "readability",
    isTruncated: false,
    language: "en",
    description: null,
    canonical: "https://example.com/a?token=x",
  };
  install = async () => {
    this.isInstalled = true;
  };
  uninstall = async () => {
    this.isInstalled = false;
  };
  broadcast = async (message: { kind: string }) => void this.broadcasts.push(message.kind);
  finish = async () => this.finalEvents.splice(0);
  isDocumentAlive = async (_: number, documentId: string) => this.alive.has(documentId);
  loading = new Set<number>();
  isLoading = async (tabId: number) => this.loading.has(tabId);
  pdf: Promise<PdfText | null> = Promise.resolve(null);
  extract = async () => this.extracted;
  pdfText = vi.fn(async () => this.pdf);
}

let clock: FakeClock;
let store: QueueStore;
let pages: FakePages;
let settings: Settings;
let recorder: Recorder;
const onQueued = vi.fn();

const make = () =>
  new Recorder({ store, pages, settings: async () => settings, onQueued, onChange: () => undefined, now: clock.now });

beforeEach(() => {
  clock = new FakeClock();
  store = new QueueStore("trailmind", clock.now);
  pages = new FakePages();
  settings = { ...DEFAULT_SETTINGS, consentedAt: 1 };
  recorder = make();
});

const USER = { id: "u1", origin: "https://server.example" };
const begin = (scope: Parameters<Recorder["start"]>[1] = { kind: "all" }) => recorder.start(USER, scope);
const source = (fields: Partial<Source> = {}): Source => ({
  tabId: 7,
  windowId: 1,
  documentId: "d1",
  isTopFrame: true,
  url: "https://example.com/a",
  isIncognito: false,
  ...fields,
});
let lastVisit = 0;
const newVisit = () => `00000000-0000-4000-8000-${String(++lastVisit).padStart(12, "0")}`;
const numbers = (visitId: string, fields = {}) => ({
  visitId,
  at: clock.time,
  activeMs: 0,
  maxScroll: 0,
  isActive: true,
  ...fields,
});
const visit = (id: string, fields = {}, from = source()) =>
  recorder.receive({ kind: "visit", ...numbers(id), url: from.url, via: "load", ...fields } as PageMessage, from);
const leave = (id: string, fields = {}) =>
  recorder.receive(
    { kind: "leave", ...numbers(id), title: "", hasPasswordField: false, ...fields } as PageMessage,
    source(),
  );
const settled = (id: string, fields = {}) =>
  recorder.receive(
    { kind: "settled", visitId: id, title: "T", referrer: "", hasPasswordField: false, ...fields },
    source(),
  );
const queue = async () => {
  const [recording] = await store.recordings();
  return recording ? (await store.waiting(recording.id)).map(({ body }) => body) : [];
};
const state = async () => (await store.recordings())[0];

test("no event is stored without a recording", async () => {
  expect(await visit(newVisit())).toEqual({ ok: true, records: false });
  expect(await store.recordings()).toEqual([]);
});

test("a visit is on disk before the response, with secrets redacted", async () => {
  await begin();
  expect(pages.isInstalled).toBe(true);
  const id = newVisit();
  const answer = await visit(id, {}, source({ url: "https://me:pw@example.com/a?session_token=abc" }));
  expect(answer).toEqual({ ok: true, records: true });
  expect(await queue()).toMatchObject([
    { event_id: id, type: "page_visit", url: "https://example.com/a?session_token=REDACTED" },
  ]);
});

test("starting twice gives one recording", async () => {
  const ids = await Promise.all([begin(), begin()]);
  expect(ids[0]).toBe(ids[1]);
});

test("a visit is held for its title and text, up to a time-out", async () => {
  await begin();
  const id = newVisit();
  await visit(id);
  const recordingId = (await state())?.id ?? "";
  expect((await store.nextBatch(recordingId, 10)).batch).toEqual([]);
  await settled(id, { referrer: "https://example.com/cb?code=1" });
  await vi.waitFor(async () =>
    expect((await store.nextBatch(recordingId, 10)).batch[0]?.body).toMatchObject({
      title: "T",
      content: "Body text.",
      referrer: "https://example.com/cb?code=REDACTED",
      metadata: { language: "en", canonical: "https://example.com/a?token=REDACTED", via: "load" },
    }),
  );
  const second = newVisit();
  await visit(second, {}, source({ documentId: "d2" }));
  clock.advance(10_001);
  expect((await store.nextBatch(recordingId, 10)).batch.map(({ eventId }) => eventId)).toContain(second);
});

test("no text is recorded if the setting is off", async () => {
  settings.recordsText = false;
  await begin();
  const id = newVisit();
  await visit(id);
  await settled(id);
  await vi.waitFor(async () => expect((await queue())[0]).toMatchObject({ title: "T" }));
  expect((await queue())[0]).not.toHaveProperty("content");
});

describe("excluded", () => {
  test.each([
    ["https://mail.google.com/", 1],
    ["http://192.168.0.1/", 1],
    ["chrome://settings/", 0],
    ["http://127.0.0.1:9000/sessions", 0],
  ])("%s", async (url, excluded) => {
    await begin();
    expect(await visit(newVisit(), {}, source({ url }))).toEqual({ ok: true, records: false });
    expect(await queue()).toEqual([]);
    expect((await state())?.counts).toMatchObject({ seen: excluded, excluded });
  });

  test("a page with a password field is withdrawn", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    expect(await settled(id, { hasPasswordField: true })).toEqual({ ok: true, records: false });
    expect(await queue()).toEqual([]);
    expect((await state())?.counts).toMatchObject({ seen: 1, excluded: 1, pages: 0 });
  });

  test("a page with a password field that was left before it settled is withdrawn", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    await leave(id, { hasPasswordField: true });
    expect(await queue()).toEqual([]);
  });

  test("a private window is not recorded and not counted", async () => {
    await begin();
    await visit(newVisit(), {}, source({ isIncognito: true }));
    expect((await state())?.counts).toMatchObject({ seen: 0, excluded: 0 });
  });

  test("a highlight in an excluded frame", async () => {
    await begin();
    await visit(newVisit());
    const highlight = {
      kind: "highlight",
      highlightId: newVisit(),
      visitId: null,
      url: "",
      at: 1,
      text: "words that count",
      selector: "",
      anchor: null,
      via: "mouse",
    } as const;
    await recorder.receive(highlight, source({ isTopFrame: false, url: "https://checkout.stripe.com/" }));
    expect((await queue()).map(({ type }) => type)).toEqual(["page_visit"]);
  });
});

test("records only the chosen tab or window", async () => {
  await begin({ kind: "tab", tabId: 7 });
  expect(await visit(newVisit(), {}, source({ tabId: 8 }))).toMatchObject({ records: false });
  expect(await visit(newVisit())).toMatchObject({ records: true });
  expect((await state())?.counts).toMatchObject({ seen: 1 });
});

describe("active time", () => {
  test("is the time that the page measured", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    clock.advance(60_000);
    await leave(id, { activeMs: 42_000, maxScroll: 0.7351, isActive: true });
    expect((await queue())[1]).toMatchObject({
      type: "page_leave",
      duration_ms: 42_000,
      max_scroll_depth: 0.735,
      metadata: { visit_id: id, active_ms: 42_000 },
    });
  });

  test("is correct with late and repeated messages", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    clock.advance(10_000);
    await recorder.receive({ kind: "snapshot", ...numbers(id, { activeMs: 9_000, isActive: false }) }, source());
    await recorder.receive({ kind: "snapshot", ...numbers(id, { activeMs: 4_000, at: clock.time - 5_000 }) }, source());
    await leave(id, { activeMs: 9_500, isActive: false });
    await leave(id, { activeMs: 99_000 });
    expect((await queue()).filter(({ type }) => type === "page_leave")).toMatchObject([{ duration_ms: 9_500 }]);
  });

  test("of a closed tab includes the time until the unload, if the page was active", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    clock.advance(4_000);
    await recorder.markTabUnloaded(7);
    expect(await recorder.sweep()).toBe(clock.time + 1_500);
    clock.advance(2_000);
    await recorder.sweep();
    expect((await queue())[1]).toMatchObject({ type: "page_leave", duration_ms: 4_000 });
  });

  test("is inferred at most until the next report was due", async () => {
    await begin();
    await visit(newVisit());
    clock.advance(500_000);
    await recorder.markTabUnloaded(7);
    clock.advance(2_000);
    await recorder.sweep();
    expect((await queue())[1]).toMatchObject({ duration_ms: 11_000 });
  });

  test("a document that still responds keeps its visit", async () => {
    await begin();
    await visit(newVisit());
    pages.alive.add("d1");
    await recorder.markTabUnloaded(7);
    clock.advance(2_000);
    await recorder.sweep();
    expect((await queue()).map(({ type }) => type)).toEqual(["page_visit"]);
  });
});

test("a new document in a tab ends the old visit", async () => {
  await begin();
  await visit(newVisit());
  clock.advance(3_000);
  await visit(newVisit(), {}, source({ documentId: "d2", url: "https://example.com/b" }));
  clock.advance(2_000);
  await recorder.sweep();
  expect((await queue()).map(({ type }) => type)).toEqual(["page_visit", "page_visit", "page_leave"]);
});

test("scroll depth is reported by quarters", async () => {
  await begin();
  const id = newVisit();
  await visit(id);
  for (const maxScroll of [0.1, 0.3, 0.4, 0.8]) {
    await recorder.receive({ kind: "snapshot", ...numbers(id, { maxScroll }) }, source());
  }
  expect((await queue()).filter(({ type }) => type === "scroll").map(({ scroll_depth }) => scroll_depth)).toEqual([
    0.3, 0.8,
  ]);
});

test("a highlight belongs to its visit and is stored once", async () => {
  await begin();
  const id = newVisit();
  await visit(id);
  const anchor = { quote: { exact: "words", prefix: "a ", suffix: " b" }, position: { start: 2, end: 7 } };
  const message = {
    kind: "highlight",
    highlightId: newVisit(),
    visitId: id,
    url: "https://example.com/a",
    at: 5,
    text: "words",
    selector: "#p",
    anchor,
    via: "touch",
  } as const;
  await recorder.receive(message, source());
  await recorder.receive(message, source());
  expect((await queue()).filter(({ type }) => type === "highlight")).toMatchObject([
    {
      text: "words",
      url: "https://example.com/a",
      selector: "#p",
      metadata: {
        visit_id: id,
        anchor: [
          { type: "TextQuoteSelector", prefix: "a " },
          { type: "TextPositionSelector", start: 2 },
        ],
      },
    },
  ]);
});

describe("pause", () => {
  test("pauses the pages, opens no new visit, and keeps the open one", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    await recorder.pause();
    expect(pages.broadcasts).toEqual(["pause"]);
    expect(await visit(newVisit(), {}, source({ tabId: 8, documentId: "d8" }))).toEqual({
      ok: true,
      records: true,
      isPaused: true,
    });
    await recorder.resume();
    await leave(id, { activeMs: 1_000 });
    expect((await queue()).map(({ type }) => type)).toEqual(["page_visit", "page_leave"]);
  });
});

describe("stop", () => {
  test("every visit ends before the recording", async () => {
    await begin();
    const [responding, silent] = [newVisit(), newVisit()];
    await visit(responding);
    await visit(silent, {}, source({ tabId: 8, documentId: "d8" }));
    clock.advance(5_000);
    const message = {
      kind: "leave",
      ...numbers(responding, { activeMs: 4_800 }),
      title: "Late title",
      hasPasswordField: false,
    } as PageMessage;
    pages.finalEvents = [{ tabId: 7, message }];
    await recorder.stop();
    expect(await state()).toMatchObject({ status: "stopping", endedAt: clock.time });
    const leaves = (await queue()).filter(({ type }) => type === "page_leave");
    expect(leaves.map(({ duration_ms }) => duration_ms)).toEqual([4_800, 5_000]);
    expect((await queue())[0]).toMatchObject({ title: "Late title" });
    expect((await store.nextBatch((await state())?.id ?? "", 10)).heldUntil).toBeNull();
    expect(pages.isInstalled).toBe(false);
  });

  test("no event is queued after it", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    const late = {
      kind: "highlight",
      highlightId: newVisit(),
      visitId: id,
      url: "https://example.com/a",
      at: 5,
      text: "words",
      selector: "",
      anchor: null,
      via: "mouse",
    } as const;
    await Promise.all([
      recorder.stop(),
      recorder.receive(late, source()),
      visit(newVisit(), {}, source({ tabId: 9, documentId: "d9" })),
      leave(id),
    ]);
    expect((await queue()).map(({ type }) => type)).toEqual(["page_visit", "page_leave"]);
  });

  test("is completed by the next worker if this one is killed", async () => {
    await begin();
    await visit(newVisit());
    await store.updateRecording((await state())?.id ?? "", (r) => {
      r.endedAt = clock.time;
    });
    await make().boot(false);
    expect(await state()).toMatchObject({ status: "stopping" });
    expect((await queue()).map(({ type }) => type)).toEqual(["page_visit", "page_leave"]);
  });
});

describe("a restart", () => {
  test("of the worker continues the recording", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    recorder = make();
    pages.isInstalled = false;
    await recorder.boot(false);
    expect(pages.isInstalled).toBe(true);
    await leave(id, { activeMs: 2_000 });
    expect((await state())?.status).toBe("recording");
    expect((await queue()).map(({ type }) => type)).toEqual(["page_visit", "page_leave"]);
  });

  test("of the browser interrupts the recording at the last heartbeat", async () => {
    await begin();
    await visit(newVisit());
    clock.advance(9_000);
    await recorder.heartbeat();
    const aliveAt = clock.time;
    clock.advance(3_600_000);
    recorder = make();
    await recorder.boot(true);
    expect(await state()).toMatchObject({ status: "interrupted", endedAt: aliveAt });
    expect((await queue())[1]).toMatchObject({ type: "page_leave", timestamp: aliveAt, duration_ms: 9_000 });
    expect(await visit(newVisit())).toMatchObject({ records: false });
  });

  test("of the browser: the recording can be continued or finished", async () => {
    const id = await begin();
    recorder = make();
    await recorder.boot(true);
    await recorder.continueInterrupted(id, { kind: "all" });
    expect(await visit(newVisit())).toMatchObject({ records: true });
    recorder = make();
    await recorder.boot(true);
    await recorder.finishInterrupted(id);
    expect((await state())?.status).toBe("stopping");
  });

  test("deleting a recording leaves no data", async () => {
    const id = await begin();
    await visit(newVisit());
    await recorder.deleteRecording(id);
    expect(await store.recordings()).toEqual([]);
    expect(await store.visits(id)).toEqual([]);
  });
});

describe("a PDF", () => {
  const PAPER = "https://example.com/paper.pdf";
  const open = async (from = source({ url: PAPER })) => {
    pages.extracted = {
      ...(pages.extracted as PageExtract),
      title: "",
      url: PAPER,
      text: "",
      method: "pdf",
      canonical: null,
    };
    const id = newVisit();
    await visit(id, {}, from);
    await recorder.receive({ kind: "settled", visitId: id, title: "", referrer: "", hasPasswordField: false }, from);
    return id;
  };

  test("is read from its file, with its own title", async () => {
    await begin();
    pages.pdf = Promise.resolve({ title: "Reefs", text: "Words of the paper.", isTruncated: true });
    await open();
    await vi.waitFor(async () =>
      expect((await queue())[0]).toMatchObject({
        title: "Reefs",
        content: "Words of the paper.",
        metadata: { text_method: "pdf", text_truncated: true },
      }),
    );
    expect(pages.pdfText).toHaveBeenCalledWith(PAPER);
  });

  test("holds the visit for its text after the page is left, and Stop waits for it", async () => {
    const id = await begin();
    let arrive: (text: PdfText) => void = () => undefined;
    pages.pdf = new Promise((resolve) => (arrive = resolve));
    const opened = await open();
    await vi.waitFor(() => expect(pages.pdfText).toHaveBeenCalled());
    await leave(opened, { activeMs: 500 });
    expect((await store.nextBatch(id, 10)).batch.map(({ body }) => body.type)).toEqual(["page_leave"]);
    const stopped = recorder.stop();
    arrive({ title: "", text: "Late words.", isTruncated: false });
    await stopped;
    expect((await queue())[0]).toMatchObject({ type: "page_visit", content: "Late words." });
    expect(await state()).toMatchObject({ status: "stopping" });
  });

  test("that cannot be read is sent without text after a time-out", async () => {
    const id = await begin();
    pages.pdf = new Promise(() => undefined);
    await open();
    await vi.waitFor(() => expect(pages.pdfText).toHaveBeenCalled());
    expect((await store.nextBatch(id, 10)).batch).toEqual([]);
    clock.advance(20_001);
    expect((await store.nextBatch(id, 10)).batch).toHaveLength(1);
  });

  test("of a private window is not fetched", async () => {
    settings.allowsIncognito = true;
    await begin();
    await open(source({ url: PAPER, isIncognito: true }));
    await vi.waitFor(async () => expect((await queue())[0]?.metadata).toMatchObject({ text_method: "none" }));
    expect(pages.pdfText).not.toHaveBeenCalled();
  });

  test("is not fetched if texts are not recorded", async () => {
    settings.recordsText = false;
    const id = await begin();
    await open();
    await vi.waitFor(async () => expect((await store.nextBatch(id, 10)).batch).toHaveLength(1));
    expect(pages.pdfText).not.toHaveBeenCalled();
  });
});

test("a lost recording is recovered in a new session", async () => {
  const id = await begin();
  await recorder.rename(id, "Title");
  const open = newVisit();
  await visit(open);
  await store.updateRecording(
    id,
    (r) => Object.assign(r, { status: "lost", lostReason: "gone", serverId: "s1" }) && undefined,
  );
  expect(await visit(newVisit(), {}, source({ tabId: 8, documentId: "d8" }))).toMatchObject({ records: true });
  const successor = await recorder.recoverLostRecording(id);
  expect(await state()).toMatchObject({ id: successor, status: "recording", serverId: null, title: "Title" });
  await leave(open, { activeMs: 3_000 });
  expect((await queue()).map(({ type }) => type)).toEqual(["page_visit", "page_visit", "page_leave"]);
});

test("from the outbox: a visit without a tab, and its final event", async () => {
  await begin();
  const id = newVisit();
  const outboxSource = source({ tabId: -1, windowId: -1, documentId: "" });
  await visit(id, {}, outboxSource);
  await recorder.receive(
    { kind: "leave", ...numbers(id, { activeMs: 700 }), title: "T", hasPasswordField: false } as PageMessage,
    outboxSource,
  );
  expect((await queue()).map(({ type }) => type)).toEqual(["page_visit", "page_leave"]);
});

test("signals are recorded only for recorded pages", async () => {
  await begin();
  await recorder.signal("tab_activated", 7);
  await visit(newVisit());
  await recorder.signal("tab_activated", 7);
  expect((await queue()).map(({ type }) => type)).toEqual(["page_visit", "tab_activated"]);
});

describe("a page that changes", () => {
  const address = (id: string, url: string, fields = {}) =>
    recorder.receive(
      {
        kind: "address",
        visitId: id,
        at: clock.time,
        url,
        countId: newVisit(),
        isRead: false,
        isYoung: true,
        ...fields,
      },
      source(),
    );

  test("to an excluded address is withdrawn before it was read, and counted", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    expect(await address(id, "https://example.com/checkout/payment")).toEqual({ ok: true, records: false });
    expect(await queue()).toEqual([]);
    expect((await state())?.counts).toMatchObject({ seen: 1, excluded: 1, pages: 0 });
  });

  test("to an excluded address after it was read keeps its visit, and the address is counted", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    const change = { isRead: true, isYoung: false };
    expect(await address(id, "https://example.com/checkout/payment", change)).toEqual({ ok: true, records: false });
    await leave(id);
    expect((await queue()).map(({ type }) => type)).toEqual(["page_visit", "page_leave"]);
    expect((await state())?.counts).toMatchObject({ excluded: 1, pages: 1 });
  });

  test("while it loads has the address where it rests", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    expect(await address(id, "https://example.com/home?session_token=abc")).toEqual({ ok: true, records: true });
    expect(await queue()).toMatchObject([{ url: "https://example.com/home?session_token=REDACTED" }]);
  });

  test("is not read at another address than the one of its visit", async () => {
    await begin();
    for (const url of ["https://example.com/checkout/payment", "https://example.com/b"]) {
      const id = newVisit();
      await visit(id);
      pages.extracted = { ...(pages.extracted as PageExtract), url };
      await settled(id);
      await vi.waitFor(async () => expect((await queue()).at(-1)).toMatchObject({ event_id: id, title: "T" }));
      expect((await queue()).at(-1)).not.toHaveProperty("content");
    }
  });

  test("after its event was sent is corrected", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    await settled(id);
    await vi.waitFor(async () => expect((await queue())[0]).toHaveProperty("content"));
    const recordingId = (await state())?.id ?? "";
    await store.assignSeq(recordingId, (await store.nextBatch(recordingId, 10)).batch);
    pages.extracted = { ...(pages.extracted as PageExtract), text: "Another text. ".repeat(20) };
    await settled(id, { title: "Late" });
    await vi.waitFor(async () => expect(await queue()).toHaveLength(2));
    expect((await queue())[1]).toMatchObject({
      type: "page_update",
      title: "Late",
      content: "Another text. ".repeat(20),
      metadata: { visit_id: id },
    });
  });

  test("is one visit if it loads again", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    await leave(id, { activeMs: 3_000, isUnload: true });
    const again = source({ documentId: "d2" });
    const second = newVisit();
    expect(await visit(second, {}, again)).toMatchObject({ records: true, visitId: id });
    clock.advance(2_000);
    await recorder.receive(
      { kind: "leave", ...numbers(id, { activeMs: 2_000 }), title: "", hasPasswordField: false },
      again,
    );
    expect(await queue()).toMatchObject([{ event_id: id }, { type: "page_leave", duration_ms: 5_000 }]);
  });

  test("is one visit if it loads again before its final event arrives", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    clock.advance(3_000);
    const again = source({ documentId: "d2" });
    expect(await visit(newVisit(), { isReload: true }, again)).toMatchObject({ records: true, visitId: id });
    await leave(id, { activeMs: 3_000, isUnload: true });
    expect(await queue()).toHaveLength(1);
    const last = { ...numbers(id, { activeMs: 2_000 }), title: "", hasPasswordField: false };
    await recorder.receive({ kind: "leave", ...last }, again);
    expect(await queue()).toMatchObject([{ event_id: id }, { type: "page_leave", duration_ms: 5_000 }]);
  });

  test("is one visit if it takes seconds to load again, and the user sees it meanwhile", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    clock.advance(3_000);
    pages.loading.add(7);
    await leave(id, { activeMs: 3_000, isActive: true, isUnload: true });
    clock.advance(2_000);
    expect(await recorder.sweep()).toBe(clock.time + 500);
    const again = source({ documentId: "d2" });
    expect(await visit(newVisit(), { isReload: true }, again)).toMatchObject({ records: true, visitId: id });
    // The outbox repeats the final event of the first document.
    const first = { ...numbers(id, { activeMs: 3_000 }), at: clock.time - 2_000, title: "", hasPasswordField: false };
    await recorder.receive({ kind: "leave", ...first, isUnload: true }, source({ tabId: -1, documentId: "" }));
    pages.loading.clear();
    clock.advance(2_000);
    expect(await recorder.sweep()).toBeNull();
    const last = { ...numbers(id, { activeMs: 2_000 }), title: "", hasPasswordField: false };
    await recorder.receive({ kind: "leave", ...last }, again);
    expect(await queue()).toMatchObject([{ event_id: id }, { type: "page_leave", duration_ms: 7_000 }]);
  });

  test("ends if its tab goes on loading for long, or has nothing more to load", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    pages.loading.add(7);
    await leave(id, { activeMs: 3_000, isActive: true, isUnload: true });
    clock.advance(8_000);
    await recorder.sweep();
    expect(await queue()).toMatchObject([{ event_id: id }, { type: "page_leave", duration_ms: 3_000 }]);
  });

  test("is no visit if another one replaces it at once", async () => {
    await begin();
    const id = newVisit();
    await visit(id);
    await leave(id, { isUnload: true, isTransit: true });
    const next = newVisit();
    await visit(next, {}, source({ documentId: "d2", url: "https://example.com/b" }));
    expect((await queue()).map(({ event_id }) => event_id)).toEqual([next]);
    expect((await state())?.counts).toMatchObject({ seen: 1, pages: 1, excluded: 0 });
    // A repeat from the outbox does not bring it back.
    await visit(id, {}, source({ tabId: -1, documentId: "" }));
    expect(await queue()).toHaveLength(1);
  });

  test("a discarded tab keeps its recording", async () => {
    await begin({ kind: "tab", tabId: 7 });
    await visit(newVisit());
    await recorder.replaceTab(7, 8);
    expect((await state())?.scope).toEqual({ kind: "tab", tabId: 8 });
    expect(
      await visit(newVisit(), {}, source({ tabId: 8, documentId: "d2", url: "https://example.com/b" })),
    ).toMatchObject({ records: true });
  });

  test("only the first page of a tab has an opener, the one that was open then", async () => {
    await begin();
    const [opener, later, opened, following] = [newVisit(), newVisit(), newVisit(), newVisit()];
    await visit(opener);
    await recorder.tabOpened(8, 7);
    await leave(opener);
    await visit(later, {}, source({ url: "https://example.com/b", documentId: "d2" }));
    await visit(opened, {}, source({ tabId: 8, url: "https://example.com/x", documentId: "d3" }));
    await visit(following, {}, source({ tabId: 8, url: "https://example.com/y", documentId: "d4" }));
    const byId = new Map((await queue()).map((body) => [body.event_id, body]));
    expect(byId.get(opened)?.metadata).toMatchObject({ opener_visit_id: opener });
    expect(byId.get(following)?.metadata).not.toHaveProperty("opener_visit_id");
  });
});
