/** When the content of a page rests: what it shows has loaded, and has not changed for a while. */

import { truncate } from "./plain-text";
import { openRoots } from "./shadow";

/** How often the document is looked at while it changes. */
const POLL_MS = 200;
/** A document that did not change for this long rests. */
const QUIET_MS = 500;
/** Apps set title and content shortly after the load event. */
const DELAY_MS = 600;
/** An image or a script that never arrives delays the load event; the text is there at this time after the parser. */
const LOAD_TIMEOUT_MS = 2_000;
/** A document that never stops changing, or is never completely parsed, is read at this age. */
const FORCED_MS = 4_000;
/** After a reading, the next one of a document that never rests is due after this time, which doubles each time. */
const FIRST_GAP_MS = 4_000;
const MAX_READINGS = 10;
/** A smaller change of the text (a clock, a counter) is no reason to read again. */
const MIN_CHANGED_CHARS = 40;
const MIN_CHANGED_PART = 0.05;
/** A longer text is sampled evenly. */
const MAX_HASHED_CHARS = 4_096;
const MAX_OBSERVED_ROOTS = 100;

/** A cheap description of what a document shows, to tell whether it changed. */
export interface ContentState {
  title: string;
  length: number;
  hash: number;
  numHeadings: number;
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  const step = Math.max(1, Math.ceil(text.length / MAX_HASHED_CHARS));
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += step) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}

export function contentState(document: Document, roots = openRoots(document)): ContentState {
  const text = roots.map((root) => ("body" in root ? root.body : root)?.textContent ?? "").join("\n");
  return {
    title: truncate(document.title.trim(), 1_000),
    length: text.length,
    hash: hashOf(text),
    numHeadings: document.querySelectorAll("h1, h2").length,
  };
}

/** True if the text of `b` is the text of `a`, apart from a clock or a counter. */
export function isSameText(a: ContentState, b: ContentState): boolean {
  if (a.hash === b.hash && a.length === b.length) return true;
  const changed = Math.abs(a.length - b.length);
  return changed > 0 && changed <= Math.min(MIN_CHANGED_CHARS, a.length * MIN_CHANGED_PART);
}

/**
 * Calls `onRest` when the document rests for the first time, and again when it rests after its title or text changed.
 * `isResting` is false for a document that is read although it still changes.
 *
 * A mutation disconnects the observer until the next look, so a page that changes all the time costs five looks a
 * second, and a page that rests costs nothing. Returns a function that says whether the document changed since its last
 * reading.
 */
export function watchContent(
  window: Window,
  onRest: (state: ContentState, isResting: boolean) => void,
  signal: AbortSignal,
): () => boolean {
  const { document } = window;
  const Observer = (window as Window & typeof globalThis).MutationObserver;
  const startedAt = Date.now();
  let changedAt = startedAt;
  /** When the first change since the last reading was seen, null if none was. */
  let dirtySince: number | null = startedAt;
  let parsedAt: number | null = null;
  let loadedAt: number | null = null;
  let last: ContentState | null = null;
  let numReadings = 0;
  let gapMs = FIRST_GAP_MS;
  let timer: ReturnType<typeof setInterval> | null = null;
  let isObserving = false;
  let roots: Node[] = [document];

  const onChange = () => {
    observer.disconnect();
    isObserving = false;
    changedAt = Date.now();
    dirtySince ??= changedAt;
    timer ??= setInterval(look, POLL_MS);
  };
  const observer = new Observer(onChange);
  // A frame that goes on to another address changes nothing in the document around it.
  const onLoad = ({ target }: Event) => {
    if (/^i?frame$/.test((target as Partial<Element> | null)?.localName ?? "") && numReadings < MAX_READINGS)
      onChange();
  };
  document.addEventListener("load", onLoad, { capture: true, signal });
  const observe = () => {
    if (isObserving) return;
    isObserving = true;
    // `document` stays the same when a script writes it anew.
    for (const root of roots) {
      observer.observe(root, { childList: true, subtree: true, characterData: true });
    }
  };
  const hasLoaded = (now: number) => {
    const { readyState } = document;
    if (readyState !== "loading") parsedAt ??= now;
    if (readyState === "complete") loadedAt ??= now;
    if (loadedAt !== null) return now - loadedAt >= DELAY_MS;
    return parsedAt !== null && now - parsedAt >= LOAD_TIMEOUT_MS;
  };
  const look = () => {
    const now = Date.now();
    // The parser changes the document all the time: nothing is observed before it has finished.
    if (document.readyState !== "loading") observe();
    else {
      changedAt = now;
      if (last !== null) dirtySince ??= now;
    }
    if (dirtySince === null) return;
    const isResting = hasLoaded(now) && now - changedAt >= QUIET_MS;
    const isForced = now - dirtySince >= (last === null ? FORCED_MS : gapMs);
    if (isResting || isForced) read(isResting);
  };
  const read = (isResting: boolean) => {
    dirtySince = null;
    // A document that is being loaded goes on to be watched, even if nothing in it changes.
    if (hasLoaded(Date.now()) || last !== null) {
      if (timer !== null) clearInterval(timer);
      timer = null;
    }
    const found = openRoots(document);
    const state = contentState(document, found);
    // Changes in a shadow root are seen by no observer of the document.
    roots = found.slice(0, MAX_OBSERVED_ROOTS);
    const isChanged = last === null || last.title !== state.title || !isSameText(last, state);
    if (isChanged) {
      last = state;
      numReadings += 1;
      if (!isResting) gapMs *= 2;
    }
    if (numReadings >= MAX_READINGS) {
      observer.disconnect();
      if (timer !== null) clearInterval(timer);
    } else {
      // The roots may be new.
      observer.disconnect();
      isObserving = false;
      observe();
    }
    if (isChanged) onRest(state, isResting);
  };
  if (document.readyState !== "loading") observe();
  timer = setInterval(look, POLL_MS);
  signal.addEventListener("abort", () => {
    observer.disconnect();
    if (timer !== null) clearInterval(timer);
  });
  return () => dirtySince !== null;
}
