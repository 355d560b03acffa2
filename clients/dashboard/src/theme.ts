import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark" | "system";
const KEY = "trailmind.theme";
const listeners = new Set<() => void>();
const media = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : null;
media?.addEventListener("change", () => notify());

function notify(): void {
  for (const listener of listeners) listener();
}

export function chosenTheme(): Theme {
  const attribute = document.documentElement.dataset.theme;
  return attribute === "light" || attribute === "dark" ? attribute : "system";
}

export function setTheme(next: Theme): void {
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // Without storage the choice lasts until the page is closed.
  }
  notify();
}

/** The theme on the screen: the user's choice, or the system's when there is none. */
export function effectiveTheme(): "light" | "dark" {
  const choice = chosenTheme();
  return choice === "system" ? (media?.matches ? "dark" : "light") : choice;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useTheme = () => useSyncExternalStore(subscribe, chosenTheme);
export const useEffectiveTheme = () => useSyncExternalStore(subscribe, effectiveTheme);
