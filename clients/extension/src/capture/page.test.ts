// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { PageMessage, PageResponse } from "../protocol";
import { RecordedFrame } from "./frame";
import { Messenger } from "./messenger";
import { RecordedPage } from "./page";

let sent: PageMessage[];
let answer: (message: PageMessage) => PageResponse;
let end: AbortController;
let visibility: DocumentVisibilityState;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  answer = () => ({ ok: true, records: true });
  end = new AbortController();
  visibility = "visible";
  vi.spyOn(document, "visibilityState", "get").mockImplementation(() => visibility);
  vi.spyOn(document, "hasFocus").mockReturnValue(true);
  window.requestIdleCallback = ((callback: () => void) =>
    setTimeout(callback)) as unknown as typeof requestIdleCallback;
  document.title = "A page";
  document.body.innerHTML = '<p id="one">A reef remembers storms the way a tree remembers dry summers.</p>';
});
afterEach(() => {
  end.abort();
  vi.useRealTimers();
});

const page = () =>
  new RecordedPage(
    window,
    end.signal,
    new Messenger({
      send: async (message) => {
        sent.push(message);
        return answer(message);
      },
      save: async () => undefined,
      remove: async () => undefined,
      wait: async () => undefined,
      isAlive: () => true,
    }),
  );
const kinds = () => sent.map(({ kind }) => kind);
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test("sends a visit, settled, and the final event with its measurements", async () => {
  const recorded = page();
  recorded.begin("load");
  await pass(3_000);
  expect(kinds()).toEqual(["visit", "settled"]);
  expect(sent[1]).toMatchObject({ title: "A page", hasPasswordField: false });
  await pass(5_000);
  const finalEvent = recorded.onWorkerMessage({ kind: "finish" });
  expect(finalEvent).toMatchObject({ kind: "leave", title: "A page", isActive: true });
  expect((finalEvent as { activeMs: number }).activeMs).toBeGreaterThanOrEqual(7_900);
  expect(recorded.onWorkerMessage({ kind: "finish" })).toBeNull();
});

test("sends nothing before it is visible, and reads nothing before it is accepted", async () => {
  visibility = "hidden";
  page().begin("load");
  await pass(5_000);
  expect(sent).toEqual([]);
  answer = () => ({ ok: true, records: false });
  visibility = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  await pass(20_000);
  expect(kinds()).toEqual(["visit"]);
  expect(JSON.stringify(sent)).not.toContain("A page");
  const node = document.querySelector("#one")?.firstChild as Text;
  getSelection()?.setBaseAndExtent(node, 0, node, 30);
  document.dispatchEvent(new Event("selectionchange"));
  await pass(5_000);
  expect(kinds()).toEqual(["visit"]);
});

test("sends heartbeats while active, and changes at once", async () => {
  page().begin("load");
  await pass(21_000);
  expect(kinds().filter((kind) => kind === "snapshot")).toHaveLength(2);
  visibility = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  await pass(60_000);
  const snapshots = sent.filter(({ kind }) => kind === "snapshot") as Extract<PageMessage, { kind: "snapshot" }>[];
  expect(snapshots).toHaveLength(3);
  expect(snapshots[2]).toMatchObject({ isActive: false, activeMs: 21_000 });
});

test("a pause stops the clock; resume continues the same visit", async () => {
  const recorded = page();
  recorded.begin("load");
  await pass(4_000);
  recorded.onWorkerMessage({ kind: "pause" });
  await pass(60_000);
  recorded.onWorkerMessage({ kind: "resume" });
  await pass(3_000);
  const finalEvent = recorded.onWorkerMessage({ kind: "finish" }) as { activeMs: number };
  expect(finalEvent.activeMs).toBe(7_000);
  expect(kinds().filter((kind) => kind === "visit")).toHaveLength(1);
});

test("joins a paused recording when it resumes", async () => {
  answer = () => ({ ok: true, records: true, isPaused: true });
  const recorded = page();
  recorded.begin("load");
  await pass(3_000);
  expect(kinds()).toEqual(["visit"]);
  answer = () => ({ ok: true, records: true });
  recorded.onWorkerMessage({ kind: "resume" });
  await pass(3_000);
  expect(kinds()).toEqual(["visit", "visit", "settled"]);
});

test("an unloaded page sends its final event", async () => {
  page().begin("load");
  await pass(3_000);
  window.dispatchEvent(new Event("pagehide"));
  await pass(0);
  expect(kinds().at(-1)).toBe("leave");
});

test.each(["pagehide", "finish", "pause"])("a passage marked just before %s is sent", async (how) => {
  const recorded = page();
  recorded.begin("load");
  await pass(3_000);
  const { visitId } = sent[0] as { visitId: string };
  const node = document.querySelector("#one")?.firstChild as Text;
  getSelection()?.setBaseAndExtent(node, 0, node, 30);
  document.dispatchEvent(new Event("selectionchange"));
  await pass(100);
  if (how === "pagehide") window.dispatchEvent(new Event("pagehide"));
  else recorded.onWorkerMessage({ kind: how as "finish" | "pause" });
  await pass(700);
  expect(sent).toContainEqual(expect.objectContaining({ kind: "highlight", visitId }));
});

test("a visit that the worker has closed is replaced by a new one", async () => {
  page().begin("load");
  await pass(3_000);
  answer = (message) => ({ ok: true, records: message.kind !== "snapshot" });
  await pass(10_000);
  expect(kinds().filter((kind) => kind === "visit")).toHaveLength(2);
});

test("sends highlights, automatically and on request", async () => {
  const recorded = page();
  recorded.begin("load");
  await pass(3_000);
  const node = document.querySelector("#one")?.firstChild as Text;
  getSelection()?.setBaseAndExtent(node, 0, node, 30);
  document.dispatchEvent(new Event("selectionchange"));
  await pass(1_000);
  expect(sent.at(-1)).toMatchObject({ kind: "highlight", text: "A reef remembers storms the way" });
  const { visitId } = sent[0] as { visitId: string };
  expect(sent.at(-1)).toMatchObject({ visitId });
  expect(recorded.onWorkerMessage({ kind: "highlight-selection", via: "menu" })).toMatchObject({
    kind: "highlight",
    via: "menu",
  });
});

test("a frame sends only highlights", async () => {
  const frame = new RecordedFrame(
    window,
    end.signal,
    new Messenger({
      send: async (message) => {
        sent.push(message);
        return { ok: true };
      },
      save: async () => undefined,
      remove: async () => undefined,
      wait: async () => undefined,
      isAlive: () => true,
    }),
  );
  expect(frame.onWorkerMessage({ kind: "begin" })).toBeNull();
  const node = document.querySelector("#one")?.firstChild as Text;
  getSelection()?.setBaseAndExtent(node, 0, node, 30);
  document.dispatchEvent(new Event("selectionchange"));
  await pass(1_000);
  expect(sent).toMatchObject([{ kind: "highlight", visitId: null }]);
});

test("a page that has the focus without an event is counted", async () => {
  let hasFocus = false;
  vi.spyOn(document, "hasFocus").mockImplementation(() => hasFocus);
  const recorded = page();
  recorded.begin("load");
  await pass(1_000);
  hasFocus = true;
  await pass(27_000);
  hasFocus = false;
  await pass(9_000);
  const finalEvent = recorded.onWorkerMessage({ kind: "finish" }) as { activeMs: number };
  expect(finalEvent.activeMs).toBeGreaterThan(26_000);
  expect(finalEvent.activeMs).toBeLessThan(28_000);
});

test("a user who returns to a page is not idle", async () => {
  const recorded = page();
  recorded.begin("load");
  await pass(3_000);
  recorded.onWorkerMessage({ kind: "presence", isIdle: true });
  await pass(60_000);
  window.dispatchEvent(new Event("focus"));
  await pass(4_000);
  const finalEvent = recorded.onWorkerMessage({ kind: "finish" }) as { activeMs: number };
  expect(finalEvent.activeMs).toBeLessThan(8_000);
  expect(finalEvent.activeMs).toBeGreaterThan(6_500);
});

test("the time before a dialog counts, the dialog does not", async () => {
  const recorded = page();
  recorded.begin("load");
  await pass(2_000);
  vi.setSystemTime(Date.now() + 28_000);
  await pass(2_000);
  const finalEvent = recorded.onWorkerMessage({ kind: "finish" }) as { activeMs: number };
  expect(finalEvent.activeMs).toBeGreaterThan(3_000);
  expect(finalEvent.activeMs).toBeLessThan(4_500);
});

test("sound that stopped while the page was frozen does not count", async () => {
  const recorded = page();
  recorded.begin("load");
  await pass(2_000);
  recorded.onWorkerMessage({ kind: "presence", isAudible: true });
  window.dispatchEvent(new Event("pagehide"));
  await pass(1_000);
  window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await pass(2_000);
  recorded.onWorkerMessage({ kind: "presence", isIdle: true });
  await pass(6_000);
  const finalEvent = recorded.onWorkerMessage({ kind: "finish" }) as { activeMs: number };
  expect(finalEvent.activeMs).toBeLessThan(2_600);
});
