import { useSyncExternalStore } from "react";
import { en, type Words } from "./en";
import type { Language } from "./format";
import { ko } from "./ko";

const WORDS: Record<Language, Words> = { en, ko };
const KEY = "trailmind.language";
const listeners = new Set<() => void>();

export function language(): Language {
  return document.documentElement.lang === "ko" ? "ko" : "en";
}

export function setLanguage(next: Language): void {
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
export function useWords(): Words {
  return WORDS[useLanguage()];
}

export function words(): Words {
  return WORDS[language()];
}

export type { Language, Words };
