// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { anchorOf, cssPath } from "./anchor";
import { MarkedPassages, type Passage, passageOf, watchHighlights } from "./highlight";

let end: AbortController;
let passages: Passage[];
const SENTENCE = "A reef remembers storms the way a tree remembers dry summers.";

beforeEach(() => {
  vi.useFakeTimers();
  document.body.innerHTML = `<article><p id="one">${SENTENCE}</p><p>Other words that stand here too.</p>
    <textarea id="t">typed text</textarea><div contenteditable="true" id="e">a draft of a letter</div></article>`;
  getSelection()?.removeAllRanges();
  end = new AbortController();
  passages = [];
  watchHighlights(window, new MarkedPassages(), (passage) => passages.push(passage), end.signal, 900);
});
afterEach(() => {
  end.abort();
  vi.useRealTimers();
});

function select(selector: string, from = 0, to?: number) {
  const node = document.querySelector(selector)?.firstChild as Text;
  getSelection()?.setBaseAndExtent(node, from, node, to ?? node.data.length);
  document.dispatchEvent(new Event("selectionchange"));
}
const pointer = (type: string, pointerType = "mouse") =>
  document.dispatchEvent(Object.assign(new Event(type), { pointerType }));
const drag = (selector: string, from?: number, to?: number, pointerType?: string) => {
  pointer("pointerdown", pointerType);
  select(selector, from, to);
  pointer("pointerup", pointerType);
};

test("a selection is reported after the debounce time", () => {
  drag("#one");
  vi.advanceTimersByTime(500);
  expect(passages).toEqual([]);
  vi.advanceTimersByTime(500);
  expect(passages).toMatchObject([{ text: SENTENCE, selector: "#one", via: "mouse" }]);
});

test("not while the button is pressed", () => {
  pointer("pointerdown");
  select("#one");
  vi.advanceTimersByTime(5_000);
  expect(passages).toEqual([]);
});

test("only the final extent of a growing selection is reported", () => {
  document.dispatchEvent(Object.assign(new Event("keydown"), { shiftKey: true, key: "ArrowRight" }));
  for (let length = 12; length <= 30; length += 6) {
    select("#one", 0, length);
    vi.advanceTimersByTime(300);
  }
  vi.advanceTimersByTime(1_000);
  expect(passages).toMatchObject([{ text: "A reef remembers storms the way", via: "keyboard" }]);
});

test("the same text, or a part of it, is not reported again", () => {
  for (const [from, to] of [
    [0, undefined],
    [0, undefined],
    [5, 40],
  ] as const) {
    drag("#one", from, to);
    vi.advanceTimersByTime(1_000);
  }
  expect(passages).toHaveLength(1);
});

test("a touch selection is reported as touch", () => {
  drag("#one", 0, 20, "touch");
  vi.advanceTimersByTime(1_000);
  expect(passages).toMatchObject([{ via: "touch" }]);
});

test("text in an editable element is not reported", () => {
  drag("#e");
  vi.advanceTimersByTime(1_000);
  expect(passages).toEqual([]);
});

test("short selections and select-all are not reported", () => {
  drag("#one", 0, 5);
  vi.advanceTimersByTime(1_000);
  document.dispatchEvent(Object.assign(new Event("keydown"), { ctrlKey: true, key: "a" }));
  select("#one");
  vi.advanceTimersByTime(1_000);
  expect(passages).toEqual([]);
});

test("a pending selection is reported when the page is hidden", () => {
  drag("#one");
  window.dispatchEvent(new Event("pagehide"));
  expect(passages).toHaveLength(1);
});

test("a link that is followed takes the selection away, and a click elsewhere only the selection", () => {
  document.body.insertAdjacentHTML("beforeend", '<a href="/next"><b id="link">Next</b></a>');
  for (const [target, numReported] of [
    ["#e", 0],
    ["#link", 1],
  ] as const) {
    drag("#one");
    vi.advanceTimersByTime(200);
    const press = Object.assign(new Event("pointerdown", { bubbles: true }), { pointerType: "mouse" });
    document.querySelector(target)?.dispatchEvent(press);
    getSelection()?.removeAllRanges();
    document.dispatchEvent(new Event("selectionchange"));
    pointer("pointerup");
    vi.advanceTimersByTime(1_000);
    expect(passages).toHaveLength(numReported);
  }
});

test("a pending selection is reported when another tab covers the page", () => {
  const visibility = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  drag("#one");
  document.dispatchEvent(new Event("visibilitychange"));
  expect(passages).toHaveLength(1);
  visibility.mockRestore();
});

test("nothing is reported after abort", () => {
  drag("#one");
  end.abort();
  vi.advanceTimersByTime(2_000);
  expect(passages).toEqual([]);
});

test("the menu accepts short passages and truncates at a thousand characters", () => {
  select("#one", 0, 6);
  expect(passageOf(window, "menu", 1)?.text).toBe("A reef");
  document.body.innerHTML = `<p id="long">${"words ".repeat(400)}</p>`;
  select("#long");
  expect(passageOf(window, "menu", 1)?.text).toHaveLength(1_000);
});

test("an anchor has the quote, its context and its position", () => {
  const node = document.querySelector("#one")?.firstChild as Text;
  const range = document.createRange();
  range.setStart(node, 2);
  range.setEnd(node, 6);
  const anchor = anchorOf(range, document.body, "reef");
  expect(anchor?.quote).toEqual({ exact: "reef", prefix: "A ", suffix: SENTENCE.slice(6, 38) });
  expect(document.body.textContent?.slice(anchor?.position?.start, anchor?.position?.end)).toBe("reef");
});

test("a selection that ends inside a word is widened to whole words", () => {
  document.body.innerHTML = `<p id="en">Every working tree contains a <b>repos</b>itory with history.</p>
    <p id="ko" lang="ko">지도에 <b>표시</b>를 하고 검색 증강 생성은 널리 쓰인다.</p><ul><li>Tea</li><li>Milk and more</li></ul>`;
  const passage = (start: [Node, number], end: [Node, number]) => {
    const range = document.createRange();
    range.setStart(...start);
    range.setEnd(...end);
    window.getSelection()?.removeAllRanges();
    window.getSelection()?.addRange(range);
    return passageOf(window, "mouse", 1);
  };
  const nodes = (id: string) => [...(document.querySelector(id)?.childNodes ?? [])];
  const [text, bold] = nodes("#en");
  if (!text || !bold?.firstChild) throw new Error("no nodes");
  const english = passage([text, 8], [bold.firstChild, 3]);
  expect(english?.text).toBe("working tree contains a repository");
  expect(english?.anchor?.quote).toMatchObject({ exact: english?.text, prefix: "Every " });
  const [before, marked, after] = nodes("#ko");
  if (!before || !marked?.firstChild || !after) throw new Error("no nodes");
  expect(passage([before, 0], [marked.firstChild, 2])?.text).toBe("지도에 표시를");
  expect(passage([after, 5], [after, 13])?.text).toBe("검색 증강 생성은");
  // A list item is a line of its own: its neighbour is not a part of the word.
  const item = document.querySelector("li")?.firstChild;
  if (!item) throw new Error("no item");
  expect(passage([item, 1], [item, 3])?.text).toBe("Tea");
});

test("a CSS path selects one element", () => {
  document.body.innerHTML = "<main><div><p>a</p><p>b</p></div><div><p>c</p></div></main>";
  for (const element of document.querySelectorAll("p")) {
    expect(document.querySelectorAll(cssPath(element))).toHaveLength(1);
    expect(document.querySelector(cssPath(element))).toBe(element);
  }
});
