/** Scroll depth, from 0 to 1. */

import { isShadowRoot } from "./shadow";

/** The scroll position relative to the scrollable height; 1 for a page without a scrollbar. */
export function scrollDepth(scrollY: number, viewHeight: number, pageHeight: number): number {
  const scrollable = pageHeight - viewHeight;
  if (scrollable <= 1) return 1;
  return Math.min(1, Math.max(0, scrollY / scrollable));
}

/** A box that scrolls inside the page counts as the page if it takes at least this part of the window. */
const MIN_BOX_PART = 0.4;

/** The element in the middle of the window that scrolls instead of the page, null if there is none. */
function innerScroller(window: Window): Element | null {
  const { document, innerWidth, innerHeight } = window;
  let element = document.elementFromPoint?.(innerWidth / 2, innerHeight / 2) ?? null;
  while (element?.shadowRoot) {
    const inner: Element | null = element.shadowRoot.elementFromPoint(innerWidth / 2, innerHeight / 2);
    if (!inner || inner === element) break;
    element = inner;
  }
  while (element && element !== document.documentElement) {
    if (isMainBox(window, element)) return element;
    const root = element.getRootNode();
    element = element.parentElement ?? (isShadowRoot(root) ? root.host : null);
  }
  return null;
}

function isMainBox(window: Window, box: Element): boolean {
  const { innerWidth, innerHeight } = window;
  if (box.scrollHeight - box.clientHeight <= 1) return false;
  if (box.clientHeight < innerHeight * MIN_BOX_PART || box.clientWidth < innerWidth * MIN_BOX_PART) return false;
  return /auto|scroll|overlay/.test(window.getComputedStyle(box).overflowY);
}

export class ScrollMeter {
  private deepest = 0;
  private box: Element | null = null;

  constructor(private readonly window: Window) {}

  /** The deepest position measured. 0 for a page without a scrollbar, which may still be loading. */
  get max(): number {
    return this.deepest;
  }

  restart(): void {
    this.deepest = 0;
    this.box = null;
  }

  /** Call it for a scroll event of `target`, which is a box inside the page or the document. */
  onScroll(target: EventTarget | null): void {
    if (target instanceof Element && target !== this.box && isMainBox(this.window, target)) this.box = target;
    this.measure();
  }

  measure(): number {
    const { documentElement } = this.window.document;
    if (!documentElement) return this.deepest;
    const { scrollY, innerHeight } = this.window;
    this.add(scrollY, innerHeight, documentElement.scrollHeight);
    if (this.box?.isConnected) this.add(this.box.scrollTop, this.box.clientHeight, this.box.scrollHeight);
    return this.deepest;
  }

  /** The depth of a page that has finished loading: 1 if it has no scrollbar, because all of it was seen. */
  final(): number {
    this.measure();
    const { document, innerHeight } = this.window;
    if (this.deepest > 0 || !document.documentElement) return this.deepest;
    const isWhole = document.documentElement.scrollHeight - innerHeight <= 1 && !innerScroller(this.window);
    return isWhole ? 1 : 0;
  }

  private add(top: number, viewHeight: number, height: number): void {
    if (height - viewHeight <= 1) return;
    this.deepest = Math.max(this.deepest, Math.round(scrollDepth(top, viewHeight, height) * 1_000) / 1_000);
  }
}

/** Calls `onScroll` at most once per `intervalMs` while the page scrolls, the last time after it stops. */
export function watchScroll(
  window: Window,
  onScroll: (target: EventTarget | null) => void,
  signal: AbortSignal,
  intervalMs = 250,
): void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let latest: EventTarget | null = null;
  window.addEventListener(
    "scroll",
    ({ target }) => {
      latest = target;
      if (timer !== null) return;
      timer = setTimeout(() => {
        timer = null;
        if (!signal.aborted) onScroll(latest);
      }, intervalMs);
    },
    { signal, passive: true, capture: true },
  );
}
