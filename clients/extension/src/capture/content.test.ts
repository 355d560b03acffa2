// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { type ContentState, contentState, isSameText, watchContent } from "./content";

let end: AbortController;
let readings: [title: string, isResting: boolean][];

beforeEach(() => {
  vi.useFakeTimers();
  end = new AbortController();
  readings = [];
  document.title = "A page";
  document.body.innerHTML = "<p>Words that stand here.</p>";
});
afterEach(() => {
  end.abort();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const watch = () =>
  watchContent(window, ({ title }: ContentState, isResting) => readings.push([title, isResting]), end.signal);

test("a document that does not change is read once", async () => {
  watch();
  await pass(60_000);
  expect(readings).toEqual([["A page", true]]);
});

test("a body that comes late is read again, a clock is not", async () => {
  document.body.innerHTML = "Loading";
  watch();
  await pass(4_000);
  document.title = "Late";
  document.body.innerHTML = `<p>${"Words that came late. ".repeat(50)}</p>`;
  await pass(4_000);
  document.body.append("12:01");
  await pass(10_000);
  expect(readings).toEqual([
    ["A page", true],
    ["Late", true],
  ]);
});

test("a document that never rests is read, less and less often", async () => {
  watch();
  let n = 0;
  const ticker = setInterval(() => {
    n += 1;
    document.title = `Tick ${n}`;
    document.body.append("x");
  }, 300);
  await pass(300_000);
  clearInterval(ticker);
  expect(readings[0]?.[1]).toBe(false);
  expect(readings.length).toBeGreaterThan(3);
  expect(readings.length).toBeLessThanOrEqual(10);
});

test("says whether the document changed since it was read", async () => {
  const hasUnreadChange = watch();
  expect(hasUnreadChange()).toBe(true);
  await pass(3_000);
  expect(hasUnreadChange()).toBe(false);
  document.body.append("More words.");
  await pass(100);
  expect(hasUnreadChange()).toBe(true);
});

test("a frame that goes on to another page is a change", async () => {
  const frame = document.createElement("frame");
  document.body.append(frame);
  const hasUnreadChange = watch();
  await pass(3_000);
  expect(hasUnreadChange()).toBe(false);
  frame.dispatchEvent(new Event("load"));
  expect(hasUnreadChange()).toBe(true);
  await pass(3_000);
  expect(hasUnreadChange()).toBe(false);
});

test("the text in an open shadow root is content", () => {
  const before = contentState(document);
  const host = document.createElement("my-article");
  document.body.append(host);
  host.attachShadow({ mode: "open" }).innerHTML = `<p>${"Words in the shadow. ".repeat(20)}</p>`;
  expect(isSameText(before, contentState(document))).toBe(false);
});
