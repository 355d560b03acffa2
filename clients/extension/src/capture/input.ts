/** Input of the user. Events that a script dispatches are not input. */

const TYPES = ["pointerdown", "keydown", "wheel", "touchstart"] as const;

/** Calls `onInput` at every input until `signal` aborts. */
export function watchInput(window: Window, onInput: () => void, signal: AbortSignal): void {
  for (const type of TYPES) {
    window.addEventListener(type, (event) => event.isTrusted && onInput(), { signal, capture: true, passive: true });
  }
}
