/**
 * Highlighted passages. A selection is a highlight if it was made by mouse, keyboard or touch, did not change for the
 * debounce time, has a minimum length, and is not in an editable element.
 */

import { uuid } from "@trailmind/api";
import type { Anchor, PageMessageOf } from "../protocol";
import { anchorOf, collapseWhitespace, cssPath } from "./anchor";

const MIN_CHARS = 10;
const MAX_CHARS = 1_000;
const DEBOUNCE_MS = 900;

export type Via = "mouse" | "keyboard" | "touch" | "menu" | "command";

export interface Passage {
  text: string;
  selector: string;
  anchor: Anchor | null;
  via: Via;
}

/** The passages of the current visit, so that each is sent once. */
export class MarkedPassages {
  private readonly texts = new Set<string>();
  private readonly spans: { start: number; end: number }[] = [];

  /** Returns false for a text that was added before, or for a part of an added passage. */
  add(text: string, position: { start: number; end: number } | null): boolean {
    if (this.texts.has(text)) return false;
    if (position && this.spans.some(({ start, end }) => start <= position.start && position.end <= end)) return false;
    this.texts.add(text);
    if (position) this.spans.push(position);
    return true;
  }

  clear(): void {
    this.texts.clear();
    this.spans.length = 0;
  }
}

/** The current selection as a passage; null if it is empty, shorter than `minChars`, or in an editable element. */
export function passageOf(window: Window, via: Via, minChars = MIN_CHARS): Passage | null {
  const { document } = window;
  const selection = window.getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return null;
  const text = collapseWhitespace(selection.toString());
  if (text.length < minChars) return null;
  const range = selection.getRangeAt(0);
  const node = range.commonAncestorContainer;
  const element = node instanceof Element ? node : node.parentElement;
  // Text that the user types is never recorded.
  if (!element || element.closest('input, textarea, [contenteditable=""], [contenteditable="true"]')) return null;
  if (isTyping(document.activeElement)) return null;
  const exact = [...text].length > MAX_CHARS ? text.slice(0, MAX_CHARS) : text;
  const anchor = document.body ? anchorOf(range, document.body, exact) : null;
  return { text: exact, selector: cssPath(element), anchor, via };
}

function isTyping(element: Element | null): boolean {
  return element instanceof HTMLElement && (element.matches("input, textarea, select") || element.isContentEditable);
}

/** The message for a passage in `window`. `visitId` is null in a frame. */
export function highlightMessage(window: Window, passage: Passage, visitId: string | null): PageMessageOf<"highlight"> {
  return { kind: "highlight", highlightId: uuid(), visitId, url: window.location.href, at: Date.now(), ...passage };
}

/**
 * Calls `onPassage` for every highlight until `signal` aborts.
 *
 * A growing selection (Shift and arrow keys, touch handles) restarts the debounce time, so that only its final extent
 * is reported. When the page is hidden, a pending selection is reported at once.
 */
export function watchHighlights(
  window: Window,
  marked: MarkedPassages,
  onPassage: (passage: Passage) => void,
  signal: AbortSignal,
  debounceMs = DEBOUNCE_MS,
): void {
  const { document } = window;
  let via: Via = "mouse";
  let isPressed = false;
  // Select-all precedes a copy; it is not a highlight.
  let isSelectAll = false;
  let timer: ReturnType<typeof setTimeout> | null = null;

  const report = () => {
    timer = null;
    if (signal.aborted || isPressed || isSelectAll) return;
    const passage = passageOf(window, via);
    if (passage && marked.add(passage.text, passage.anchor?.position ?? null)) onPassage(passage);
  };
  const restartTimer = () => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(report, debounceMs);
  };
  const options = { signal, capture: true, passive: true };
  document.addEventListener(
    "pointerdown",
    (event) => {
      via = event.pointerType === "touch" || event.pointerType === "pen" ? "touch" : "mouse";
      isPressed = true;
      isSelectAll = false;
    },
    options,
  );
  for (const type of ["pointerup", "pointercancel"] as const) {
    document.addEventListener(
      type,
      () => {
        isPressed = false;
        restartTimer();
      },
      options,
    );
  }
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.shiftKey) [via, isSelectAll] = ["keyboard", false];
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") isSelectAll = true;
    },
    options,
  );
  document.addEventListener(
    "selectionchange",
    () => {
      if (!isPressed) restartTimer();
    },
    options,
  );
  window.addEventListener(
    "pagehide",
    () => {
      if (timer === null) return;
      clearTimeout(timer);
      isPressed = false;
      report();
    },
    { signal },
  );
}
