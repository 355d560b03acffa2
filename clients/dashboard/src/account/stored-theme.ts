/** Theme and language that are stored with the account: a choice on one device is also that of the others. */
import { useQuery } from "@tanstack/react-query";
import { type Language, unwrap } from "@trailmind/api";
import { useEffect } from "react";
import { api } from "~/api/client";
import { settingsQuery } from "~/api/queries";
import { chosenLanguage, language, setLanguage } from "~/i18n";
import { chosenTheme, setTheme, type Theme } from "~/theme";

/** Set once this browser's choice is that of the account. */
const SYNCED_KEY = "trailmind.theme-synced";
const LANGUAGE_SYNCED_KEY = "trailmind.language-synced";

function isSynced(key = SYNCED_KEY): boolean {
  try {
    return localStorage.getItem(key) === "1";
  } catch {
    return true;
  }
}

function markSynced(key = SYNCED_KEY): void {
  try {
    localStorage.setItem(key, "1");
  } catch {
    // Without storage there is no local choice that could be lost.
  }
}

/** Shows a theme and stores it with the account. */
export function chooseTheme(theme: Theme): void {
  setTheme(theme);
  void unwrap(api.PATCH("/v1/users/me/settings", { body: { theme } })).then(
    () => markSynced(),
    () => undefined,
  );
}

/** Shows a language and stores it with the account. */
export function chooseLanguage(next: Language): void {
  void setLanguage(next);
  void unwrap(api.PATCH("/v1/users/me/settings", { body: { language: next } })).catch(() => undefined);
}

/** Shows the theme of the account. A choice that this browser made before it was stored is stored first. */
export function useStoredTheme(): void {
  const stored = useQuery(settingsQuery()).data?.settings.theme;
  useEffect(() => {
    if (!stored) return;
    const local = chosenTheme();
    if (stored === "system" && local !== "system" && !isSynced()) chooseTheme(local);
    else {
      if (stored !== local) setTheme(stored);
      markSynced();
    }
  }, [stored]);
}

/** Shows the language of the account. A choice that this browser made before it was stored is stored first. */
export function useStoredLanguage(): void {
  const settings = useQuery(settingsQuery()).data?.settings;
  const [stored, isChosen] = [settings?.language, settings?.is_language_chosen];
  useEffect(() => {
    if (!stored) return;
    const local = chosenLanguage();
    if (local && !isChosen && !isSynced(LANGUAGE_SYNCED_KEY)) chooseLanguage(local);
    else if (isChosen && stored !== language()) void setLanguage(stored);
    markSynced(LANGUAGE_SYNCED_KEY);
  }, [stored, isChosen]);
}
