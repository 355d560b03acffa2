/**
 * Highlighted passages. A selection is a highlight if it did not change for the debounce time, has a minimum length, is
 * not in an editable element, is not the whole page, and was not made by a script of the page (a button that copies).
 */

import { uuid } from "@trailmind/api";
import type { Anchor, PageMessageOf } from "../protocol";
import { anchorOf, collapseWhitespace, cssPath, widenedToWords } from "./anchor";
import { truncate } from "./plain-text";
import { allOpenRoots, isShadowRoot } from "./shadow";

const MIN_CHARS = 10;
const MAX_CHARS = 1_000;
const DEBOUNCE_MS = 900;
/** A selection of at least this part of the page was made by "Select all". */
const WHOLE_PAGE_PART = 0.9;
/** A pointer that moved less made a click, not a selection. */
const MAX_CLICK_PX = 3;
const EDITABLE = 'input, textarea, [contenteditable=""], [contenteditable="true"], [contenteditable="plaintext-only"]';
const LINK = "a[href], area[href]";
const BUTTON = 'button, summary, input, select, [role="button"], [role="tab"], [role="menuitem"]';

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

/**
 * The selected range; null if nothing is selected. Of a selection inside a shadow root, `getRangeAt` returns only the
 * place of its host, and `isCollapsed` is true.
 */
function selectedRange(window: Window): { selection: Selection; range: Range } | null {
  const { document } = window;
  const selection = window.getSelection();
  if (selection?.type !== "Range" || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  if (!selection.isCollapsed) return { selection, range };
  const shadowRoots = allOpenRoots(document).filter(isShadowRoot);
  const [composed] = selection.getComposedRanges?.({ shadowRoots }) ?? [];
  if (!composed || composed.startContainer.getRootNode() !== composed.endContainer.getRootNode()) {
    return { selection, range };
  }
  const inner = document.createRange();
  inner.setStart(composed.startContainer, composed.startOffset);
  inner.setEnd(composed.endContainer, composed.endOffset);
  return { selection, range: inner };
}

/** The current selection as a passage; null if it is empty, shorter than `minChars`, or in an editable element. */
export function passageOf(window: Window, via: Via, minChars = MIN_CHARS): Passage | null {
  const { document } = window;
  const selected = selectedRange(window);
  if (!selected) return null;
  const { selection } = selected;
  if (collapseWhitespace(selection.toString()).length < minChars) return null;
  const { range, added } = widenedToWords(selected.range, document.documentElement.lang || null);
  const text = collapseWhitespace(`${added[0]}${selection.toString()}${added[1]}`);
  const node = range.commonAncestorContainer;
  const element = node instanceof Element ? node : (node.parentElement ?? hostOf(node));
  // Text that the user types is never recorded.
  if (!element || isEditable(element) || isTyping(deepActiveElement(document))) return null;
  const exact = truncate(text, MAX_CHARS);
  const root = range.startContainer.getRootNode();
  if (isShadowRoot(root)) {
    const inner = anchorOf(range, root, exact);
    return { text: exact, selector: cssPath(outermostHost(root)), anchor: inner && { ...inner, position: null }, via };
  }
  const anchor = document.body ? anchorOf(range, document.body, exact) : null;
  return { text: exact, selector: cssPath(element), anchor, via };
}

const hostOf = (node: Node): Element | null => {
  const root = node.getRootNode();
  return isShadowRoot(root) ? root.host : null;
};

function outermostHost(root: ShadowRoot): Element {
  const outer = hostOf(root.host);
  return outer ? outermostHost(root.host.getRootNode() as ShadowRoot) : root.host;
}

function isEditable(element: Element): boolean {
  for (let e: Element | null = element; e; e = hostOf(e)) if (e.closest(EDITABLE)) return true;
  return false;
}

function deepActiveElement(document: Document): Element | null {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  return active;
}

function isTyping(element: Element | null): boolean {
  return element instanceof HTMLElement && (element.matches("input, textarea, select") || element.isContentEditable);
}

/** True if the selection covers the page, as "Select all" in the menu of the browser does. */
function isWholePage(window: Window): boolean {
  const { body } = window.document;
  const selected = selectedRange(window);
  if (!body || !selected) return false;
  const whole = window.document.createRange();
  whole.selectNodeContents(body);
  return selected.range.toString().length >= whole.toString().length * WHOLE_PAGE_PART;
}

/** The message for a passage in `window`. `visitId` is null in a frame. */
export function highlightMessage(window: Window, passage: Passage, visitId: string | null): PageMessageOf<"highlight"> {
  return { kind: "highlight", highlightId: uuid(), visitId, url: window.location.href, at: Date.now(), ...passage };
}

/**
 * Calls `onPassage` for every highlight until `signal` aborts.
 *
 * A growing selection (Shift and arrow keys, touch handles) restarts the debounce time, so that only its final extent
 * is reported. The debounce time ends early when the page is hidden and before a link is followed, which takes the
 * selection away. Returns a function that ends it, for what else ends a visit.
 */
export function watchHighlights(
  window: Window,
  marked: MarkedPassages,
  onPassage: (passage: Passage) => void,
  signal: AbortSignal,
  debounceMs = DEBOUNCE_MS,
): () => void {
  const { document } = window;
  let via: Via = "mouse";
  let isPressed = false;
  // Select-all precedes a copy; it is not a highlight.
  let isSelectAll = false;
  let isDragged = false;
  // After a click without movement, only a script selects: the button copies its text.
  let isByScript = false;
  let pressed: { x: number; y: number; isOnButton: boolean; isExtending: boolean } | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;

  const report = () => {
    timer = null;
    if (signal.aborted || isPressed || isSelectAll || isByScript) return;
    if (!isDragged && isWholePage(window)) return;
    const passage = passageOf(window, via);
    if (passage && marked.add(passage.text, passage.anchor?.position ?? null)) onPassage(passage);
  };
  const restartTimer = () => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(report, debounceMs);
  };
  const flush = () => {
    if (timer === null) return;
    clearTimeout(timer);
    // A page that is left while the button is pressed has its selection, too.
    isPressed = false;
    report();
  };
  const options = { signal, capture: true, passive: true };
  document.addEventListener(
    "pointerdown",
    (event) => {
      if (!event.shiftKey && event.composedPath().some((target) => target instanceof Element && target.matches(LINK)))
        flush();
      via = event.pointerType === "touch" || event.pointerType === "pen" ? "touch" : "mouse";
      isPressed = true;
      isSelectAll = false;
      isByScript = false;
      isDragged = false;
      const isOnButton = event.composedPath().some((target) => target instanceof Element && target.matches(BUTTON));
      pressed = { x: event.clientX, y: event.clientY, isOnButton, isExtending: event.shiftKey };
    },
    options,
  );
  for (const type of ["pointerup", "pointercancel"] as const) {
    document.addEventListener(
      type,
      (event) => {
        isPressed = false;
        if (pressed && type === "pointerup") {
          const { x, y, isOnButton, isExtending } = pressed;
          const isStill = Math.abs(event.clientX - x) <= MAX_CLICK_PX && Math.abs(event.clientY - y) <= MAX_CLICK_PX;
          isDragged = !isStill && !isOnButton;
          isByScript = isOnButton || (isStill && !isExtending && via === "mouse");
        }
        pressed = null;
        restartTimer();
      },
      options,
    );
  }
  document.addEventListener(
    "mousedown",
    (event) => {
      // A double click selects a word, a triple click a paragraph.
      if (event.detail >= 2 && pressed) pressed.isExtending = true;
    },
    options,
  );
  document.addEventListener(
    "click",
    (event) => {
      // A click by the keyboard or by a script, or a tap, which selects nothing by itself.
      if (event.detail === 0 || via === "touch") isByScript = true;
    },
    options,
  );
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.shiftKey) [via, isSelectAll, isByScript, isDragged] = ["keyboard", false, false, false];
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
  window.addEventListener("pagehide", flush, { signal });
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush(), { signal });
  return flush;
}
