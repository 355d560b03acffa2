/** The popup: one screen per state, one primary action per screen. */

import { useEffect, useState } from "preact/hooks";

import { command } from "../command";
import { useUi } from "../context";
import { Icon, Logo } from "../parts";
import { InterruptedScreen, LostScreen } from "./interrupted-and-lost";
import { ReadyScreen } from "./ready";
import { RecordingScreen } from "./recording";
import { SettingsScreen } from "./settings-screen";
import { SignInScreen } from "./sign-in-screen";
import { CompletedScreen, StoppingScreen } from "./stopping-and-completed";
import "./popup.css";

const REFRESH_MS = 2_000;

export function Popup() {
  const { view, settings, messages } = useUi();
  const [isInSettings, setInSettings] = useState(false);
  const status = view?.current?.status;
  const isMapPending = status === "completed" && !["completed", "failed"].includes(view?.generation?.status ?? "none");

  useEffect(() => {
    void command("refresh", {});
  }, []);
  useEffect(() => {
    if (!isMapPending && status !== "stopping") return undefined;
    const timer = setInterval(() => void command("refresh", {}), REFRESH_MS);
    return () => clearInterval(timer);
  }, [isMapPending, status]);

  return (
    <>
      <header class="bar">
        {isInSettings ? (
          <button
            type="button"
            class="icon-button"
            aria-label={messages.common.back}
            onClick={() => setInSettings(false)}
          >
            <Icon name="back" />
          </button>
        ) : (
          <Logo />
        )}
        <h1>{isInSettings ? messages.settings.title : "Trailmind"}</h1>
        <span class="account-email" title={view?.account?.email}>
          {view?.account?.email}
        </span>
        {!isInSettings && (
          <button
            type="button"
            class="icon-button"
            aria-label={messages.common.settings}
            data-name="settings"
            onClick={() => setInSettings(true)}
          >
            <Icon name="gear" />
          </button>
        )}
      </header>
      <main data-screen={isInSettings ? "settings" : screenName(view, settings.consentedAt)}>
        {isInSettings ? <SettingsScreen /> : <Screen />}
      </main>
    </>
  );
}

type ViewOrNull = ReturnType<typeof useUi>["view"];

/** A recording has priority over the sign-in state: an expired sign-in must not hide a running recording. */
function screenName(view: ViewOrNull, consentedAt: number | null): string {
  if (!view) return "loading";
  if (view.current) return view.current.status;
  if (consentedAt === null) return "consent";
  if (!view.account) return "signed-out";
  return view.account.isExpired ? "signed-out" : "ready";
}

function Screen() {
  const { view, settings, messages } = useUi();
  if (!view) return <p class="center muted">{messages.common.loading}</p>;
  const { current } = view;
  switch (current?.status) {
    case "recording":
    case "paused":
      return <RecordingScreen recording={current} />;
    case "interrupted":
      return <InterruptedScreen recording={current} />;
    case "lost":
      return <LostScreen recording={current} />;
    case "stopping":
      return <StoppingScreen recording={current} />;
    case "completed":
      return <CompletedScreen recording={current} />;
  }
  return screenName(view, settings.consentedAt) === "signed-out" ? <SignInScreen /> : <ReadyScreen />;
}
