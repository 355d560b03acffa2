/** Toasts: short messages to the user. The code that shows them is loaded with the first one. */
export interface Toast {
  text: string;
  undo?: { label: string; run: () => void };
  /** A toast replaces the shown one with the same subject; one without text only removes it. */
  subject?: string;
}

let listenToToast: ((saying: Toast) => void) | null = null;
let listenToFirstToast: (() => void) | null = null;
const queue: Toast[] = [];

/**
 * Shows a message. With `undo` it stays for eight seconds instead of five, so that the user can notice a mistake. With
 * `subject` it replaces the earlier message about it, whose undo would now undo something else.
 */
export function toast(text: string, undo?: Toast["undo"], subject?: string): void {
  const message = { text, ...(undo ? { undo } : {}), ...(subject ? { subject } : {}) };
  if (listenToToast) listenToToast(message);
  else {
    queue.push(message);
    listenToFirstToast?.();
  }
}

/** Removes the shown message about `subject`: what its undo would undo has changed. */
export function dismissToast(subject: string): void {
  listenToToast?.({ text: "", subject });
}

/** Makes `listener` show all toasts, first the queued ones. Returns the function that unsubscribes it. */
export function onToast(listener: (saying: Toast) => void): () => void {
  listenToToast = listener;
  for (const message of queue.splice(0)) listener(message);
  return () => {
    listenToToast = null;
  };
}

/**
 * Calls `listener` for every toast that is queued because no listener shows it yet. Returns the function that
 * unsubscribes it.
 */
export function onFirstToast(listener: () => void): () => void {
  listenToFirstToast = listener;
  if (queue.length > 0) listener();
  return () => {
    listenToFirstToast = null;
  };
}
