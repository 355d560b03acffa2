/** What every screen needs: words, settings, the live snapshot, the time. */

import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";

import { dictionaryFor, type Words } from "../i18n/dictionary";
import { type View, viewItem } from "../recording/view";
import { readSettings, type Settings, watchSettings } from "../settings";

export interface Start {
  settings: Settings;
  view: View | null;
}

interface SharedValue {
  settings: Settings;
  view: View | null;
  words: Words;
}

const Context = createContext<SharedValue | null>(null);

export function Shared({ start, children }: { start: Start; children: ComponentChildren }) {
  const [settings, setSettings] = useState(start.settings);
  const [view, setView] = useState(start.view);
  useEffect(() => {
    const unwatch = [watchSettings(setSettings), viewItem.watch(setView)];
    // Something may have changed between the first read and the subscription.
    void Promise.all([readSettings(), viewItem.getValue()]).then(([newSettings, newView]) => {
      setSettings(newSettings);
      if (newView) setView(newView);
    });
    return () => {
      for (const end of unwatch) end();
    };
  }, []);
  const words = dictionaryFor(settings.language);
  useEffect(() => {
    document.documentElement.lang = words.language;
  }, [words]);
  return <Context.Provider value={{ settings, view, words }}>{children}</Context.Provider>;
}

export function useShared(): SharedValue {
  const value = useContext(Context);
  if (!value) throw new Error("outside of <Shared>");
  return value;
}

/** The time, once a second while `isRunning`. */
export function useNow(isRunning: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    setNow(Date.now());
    if (!isRunning) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now;
}

/** The sentence for a failed command. */
export function errorText(words: Words, failure: { code: string; message: string }): string {
  return words.errors[failure.code] ?? (failure.message || words.errors["unexpected"] || "");
}
