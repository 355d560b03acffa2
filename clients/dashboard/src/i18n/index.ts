/** The reader's language. Only its sentences are loaded; the other's come when it is chosen. */
import type { Language } from "@trailmind/api";
import { useSyncExternalStore } from "react";
import type { Messages } from "./en";

const KEY = "trailmind.language";
const listeners = new Set<() => void>();
const loaded = new Map<Language, Messages>();
let current: Language = "en";

async function load(wanted: Language): Promise<void> {
  if (!loaded.has(wanted)) loaded.set(wanted, wanted === "ko" ? (await import("./ko")).ko : (await import("./en")).en);
  current = wanted;
}

/** To be awaited before anything is drawn: the language the page's head has chosen. */
export function loadMessages(): Promise<void> {
  return load(document.documentElement.lang === "ko" ? "ko" : "en");
}

export function language(): Language {
  return current;
}

export async function setLanguage(next: Language): Promise<void> {
  await load(next);
  document.documentElement.lang = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
  for (const listener of listeners) listener();
}

export function useLanguage(): Language {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, language);
}

/** The sentences in the reader's language. */
export function useMessages(): Messages {
  return messages(useLanguage());
}

function messages(wanted: Language = current): Messages {
  const found = loaded.get(wanted);
  if (!found) throw new Error("the sentences are not loaded yet");
  return found;
}

export type { Messages };
