/** The theme that is stored with the account: a choice on one device is also that of the others. */
import { useQuery } from "@tanstack/react-query";
import { unwrap } from "@trailmind/api";
import { useEffect } from "react";
import { api } from "~/api/client";
import { settingsQuery } from "~/api/queries";
import { chosenTheme, setTheme, type Theme } from "~/theme";

/** Set once this browser's choice is that of the account. */
const SYNCED_KEY = "trailmind.theme-synced";

function isSynced(): boolean {
  try {
    return localStorage.getItem(SYNCED_KEY) === "1";
  } catch {
    return true;
  }
}

function markSynced(): void {
  try {
    localStorage.setItem(SYNCED_KEY, "1");
  } catch {
    // Without storage there is no local choice that could be lost.
  }
}

/** Shows a theme and stores it with the account. */
export function chooseTheme(theme: Theme): void {
  setTheme(theme);
  void unwrap(api.PATCH("/v1/users/me/settings", { body: { theme } })).then(markSynced, () => undefined);
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
