/** The context of every screen: messages, settings, and the published view. */

import { wordErrorCode } from "@trailmind/api";
import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";

import { type Messages, messagesFor } from "../i18n/messages";
import type { CommandFailure } from "../protocol";
import { type View, viewItem } from "../recording/view";
import { readSettings, type Settings, watchSettings } from "../settings";

export interface InitialState {
  settings: Settings;
  view: View | null;
}

interface UiContextValue {
  settings: Settings;
  view: View | null;
  messages: Messages;
}

const Context = createContext<UiContextValue | null>(null);

export function UiProvider({ start, children }: { start: InitialState; children: ComponentChildren }) {
  const [settings, setSettings] = useState(start.settings);
  const [view, setView] = useState(start.view);
  useEffect(() => {
    const unwatch = [watchSettings(setSettings), viewItem.watch(setView)];
    // Read again: a change between the first read and the subscription is not reported.
    void Promise.all([readSettings(), viewItem.getValue()]).then(([newSettings, newView]) => {
      setSettings(newSettings);
      if (newView) setView(newView);
    });
    return () => {
      for (const stop of unwatch) stop();
    };
  }, []);
  const messages = messagesFor(settings.language);
  useEffect(() => {
    document.documentElement.lang = messages.language;
  }, [messages]);
  return <Context.Provider value={{ settings, view, messages }}>{children}</Context.Provider>;
}

export function useUi(): UiContextValue {
  const value = useContext(Context);
  if (!value) throw new Error("useUi needs a UiProvider");
  return value;
}

/** The current time, updated every second while `isRunning`. */
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

/** The message for a failed command. */
export function errorText(messages: Messages, failure: Pick<CommandFailure, "code" | "server">): string {
  const { code, server } = failure;
  const worded = server && wordErrorCode(server.code, server.values, messages.language);
  return messages.errors[code] ?? worded ?? messages.errors["unexpected"] ?? "";
}
