/** The user's language. Only its messages are loaded; those of the other language on a switch. */

import type { Language } from "@trailmind/api";
import { useSyncExternalStore } from "react";
import { loadPart } from "~/load-part";
import type { Messages } from "./en";

const KEY = "trailmind.language";
const listeners = new Set<() => void>();
const loaded = new Map<Language, Messages>();
let current: Language = "en";

async function load(wanted: Language): Promise<void> {
  if (!loaded.has(wanted))
    loaded.set(
      wanted,
      wanted === "ko" ? (await loadPart(() => import("./ko"))).ko : (await loadPart(() => import("./en"))).en,
    );
  current = wanted;
}

/** Loads the messages of the language that the page's head has selected. Await it before the first render. */
export function loadMessages(): Promise<void> {
  return load(document.documentElement.lang === "ko" ? "ko" : "en");
}

export function language(): Language {
  return current;
}

/** The language that was chosen in this browser; null when it is the browser's own. */
export function chosenLanguage(): Language | null {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === "ko" || stored === "en" ? stored : null;
  } catch {
    return null;
  }
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

/** The messages in the user's language. */
export function useMessages(): Messages {
  return messages(useLanguage());
}

function messages(wanted: Language = current): Messages {
  const found = loaded.get(wanted);
  if (!found) throw new Error("the messages are not loaded yet");
  return found;
}

export type { Messages };
