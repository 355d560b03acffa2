/**
 * Active time on a page: the page is visible, and either plays media or is focused while the user is not idle.
 *
 * The clock is a state machine with an injected time source; `watchPresence` feeds it from a document.
 */

export interface Presence {
  isVisible: boolean;
  isFocused: boolean;
  isIdle: boolean;
  isPlaying: boolean;
  isPaused: boolean;
}

/** After a longer gap between two calls the machine was suspended; the gap is not active time. */
const MAX_TICK_MS = 25_000;

export class DwellClock {
  private presence: Presence;
  private activeMs = 0;
  private countedUntil: number;

  constructor(
    presence: Presence,
    private readonly now: () => number = Date.now,
  ) {
    this.presence = presence;
    this.countedUntil = now();
  }

  get isActive(): boolean {
    const { isVisible, isFocused, isIdle, isPlaying, isPaused } = this.presence;
    return !isPaused && isVisible && (isPlaying || (isFocused && !isIdle));
  }

  /** Active milliseconds since the start. While active, call it at least every `MAX_TICK_MS`. */
  total(): number {
    const now = this.now();
    const elapsed = now - this.countedUntil;
    // Ignores a clock that was set back and a suspended machine.
    if (this.isActive && elapsed > 0 && elapsed <= MAX_TICK_MS) this.activeMs += elapsed;
    this.countedUntil = now;
    return this.activeMs;
  }

  /** Applies a change; returns true if it started or stopped the clock. */
  update(change: Partial<Presence>): boolean {
    const wasActive = this.isActive;
    this.total();
    this.presence = { ...this.presence, ...change };
    return wasActive !== this.isActive;
  }

  restart(): void {
    this.total();
    this.activeMs = 0;
  }
}

export function presenceOf(document: Document): Pick<Presence, "isVisible" | "isFocused" | "isPlaying"> {
  return {
    isVisible: document.visibilityState === "visible",
    isFocused: document.hasFocus(),
    isPlaying: [...document.querySelectorAll("video, audio")].some(
      (media) => !(media as HTMLMediaElement).paused && !(media as HTMLMediaElement).ended,
    ),
  };
}

/** Calls `onChange` with every change of visibility, focus or playing media, until `signal` aborts. */
export function watchPresence(
  window: Window,
  onChange: (change: Partial<Presence>) => void,
  signal: AbortSignal,
): void {
  const { document } = window;
  const report = () => onChange(presenceOf(document));
  document.addEventListener("visibilitychange", report, { signal });
  window.addEventListener("focus", report, { signal });
  window.addEventListener("blur", () => setTimeout(report), { signal });
  // Media events do not bubble, but they are captured.
  for (const type of ["play", "playing", "pause", "ended"]) {
    document.addEventListener(type, report, { signal, capture: true, passive: true });
  }
}
