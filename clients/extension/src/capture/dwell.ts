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

/** After a longer gap between two calls the machine was suspended or a dialog was open; the gap is not active time. */
const MAX_TICK_MS = 10_000;

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

  /** Active milliseconds since the start. While active, call it at least every `MAX_TICK_MS`, and often: a longer gap
   * is lost since the last call. */
  total(): number {
    const now = this.now();
    const elapsed = now - this.countedUntil;
    // Ignores a clock that was set back, a suspended machine and an open dialog.
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

  /** Starts again with `activeMs`. */
  restart(activeMs = 0): void {
    this.total();
    this.activeMs = activeMs;
  }
}

/** Muted media that ended and began again: a decoration. */
const repeated = new WeakSet<HTMLMediaElement>();

/** True for media that a user may be watching or hearing while no key is pressed; false for a decoration. */
function isWatched(media: HTMLMediaElement): boolean {
  if (media.paused || media.ended || media.error) return false;
  const numAudioBytes = (media as HTMLMediaElement & { webkitAudioDecodedByteCount?: number })
    .webkitAudioDecodedByteCount;
  const isSilent = media.muted || media.volume === 0 || (media.currentTime > 1 && numAudioBytes === 0);
  return !isSilent || !(media.loop || media.autoplay || repeated.has(media));
}

export function presenceOf(document: Document): Pick<Presence, "isVisible" | "isFocused" | "isPlaying"> {
  // Collections are kept up to date by the browser: no search per call.
  const media = [document.getElementsByTagName("video"), document.getElementsByTagName("audio")];
  return {
    isVisible: document.visibilityState === "visible",
    isFocused: document.hasFocus(),
    isPlaying: media.some((elements) => [...elements].some(isWatched)),
  };
}

/**
 * Calls `onChange` after every event that may change visibility, focus or playing media, until `signal` aborts. Chrome
 * gives a new tab the focus without an event now and then, so the caller also has to look by itself. `isArrival`: the
 * page became visible or focused, so a user is there.
 */
export function watchPresence(window: Window, onChange: (isArrival: boolean) => void, signal: AbortSignal): void {
  const { document } = window;
  document.addEventListener("visibilitychange", () => onChange(document.visibilityState === "visible"), { signal });
  window.addEventListener("focus", () => onChange(true), { signal });
  window.addEventListener("blur", () => setTimeout(() => signal.aborted || onChange(false)), { signal });
  // Media events do not bubble, but they are captured.
  for (const type of ["play", "playing", "pause", "ended", "volumechange"]) {
    document.addEventListener(
      type,
      ({ target }) => {
        if (type === "ended" && (target as HTMLMediaElement).muted) repeated.add(target as HTMLMediaElement);
        onChange(false);
      },
      { signal, capture: true, passive: true },
    );
  }
}
