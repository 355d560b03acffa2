/** Short messages to the reader. What shows them is loaded when there is something to say. */
export interface Saying {
  text: string;
  undo?: { label: string; run: () => void };
}

let hear: ((saying: Saying) => void) | null = null;
let call: (() => void) | null = null;
const waiting: Saying[] = [];

/** Says that something happened. With `undo`, stays for eight seconds, the time one needs to see a mistake. */
export function say(text: string, undo?: Saying["undo"]): void {
  const saying = undo ? { text, undo } : { text };
  if (hear) hear(saying);
  else {
    waiting.push(saying);
    call?.();
  }
}

/** From now on `listener` shows what is said, beginning with what was said before. */
export function hearSayings(listener: (saying: Saying) => void): () => void {
  hear = listener;
  for (const saying of waiting.splice(0)) listener(saying);
  return () => {
    hear = null;
  };
}

/** `listener` is called when something is said and nobody shows it yet. */
export function onFirstSaying(listener: () => void): () => void {
  call = listener;
  if (waiting.length > 0) listener();
  return () => {
    call = null;
  };
}
