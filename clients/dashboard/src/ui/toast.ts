/** Short messages to the reader. What shows them is loaded when there is something to say. */
export interface Toast {
  text: string;
  undo?: { label: string; run: () => void };
}

let listenToToast: ((saying: Toast) => void) | null = null;
let listenToFirstToast: (() => void) | null = null;
const queue: Toast[] = [];

/** Says that something happened. With `undo`, stays for eight seconds, the time one needs to see a mistake. */
export function toast(text: string, undo?: Toast["undo"]): void {
  const saying = undo ? { text, undo } : { text };
  if (listenToToast) listenToToast(saying);
  else {
    queue.push(saying);
    listenToFirstToast?.();
  }
}

/** From now on `listener` shows what is said, beginning with what was said before. */
export function onToast(listener: (saying: Toast) => void): () => void {
  listenToToast = listener;
  for (const saying of queue.splice(0)) listener(saying);
  return () => {
    listenToToast = null;
  };
}

/** `listener` is called when something is said and nobody shows it yet. */
export function onFirstToast(listener: () => void): () => void {
  listenToFirstToast = listener;
  if (queue.length > 0) listener();
  return () => {
    listenToFirstToast = null;
  };
}
