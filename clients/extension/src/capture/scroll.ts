/** Scroll depth, from 0 to 1. */

/** The scroll position relative to the scrollable height; 1 for a page without a scrollbar. */
export function scrollDepth(scrollY: number, viewHeight: number, pageHeight: number): number {
  const scrollable = pageHeight - viewHeight;
  if (scrollable <= 1) return 1;
  return Math.min(1, Math.max(0, scrollY / scrollable));
}

export class ScrollMeter {
  private deepest = 0;

  constructor(private readonly window: Window) {}

  get max(): number {
    return this.deepest;
  }

  restart(): void {
    this.deepest = 0;
  }

  measure(): number {
    const { documentElement } = this.window.document;
    if (documentElement) {
      const depth = scrollDepth(this.window.scrollY, this.window.innerHeight, documentElement.scrollHeight);
      this.deepest = Math.max(this.deepest, Math.round(depth * 1_000) / 1_000);
    }
    return this.deepest;
  }
}

/** Calls `onScroll` at most once per `intervalMs` while the page scrolls, the last time after it stops. */
export function watchScroll(window: Window, onScroll: () => void, signal: AbortSignal, intervalMs = 250): void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  window.addEventListener(
    "scroll",
    () => {
      if (timer !== null) return;
      timer = setTimeout(() => {
        timer = null;
        if (!signal.aborted) onScroll();
      }, intervalMs);
    },
    { signal, passive: true, capture: true },
  );
}
