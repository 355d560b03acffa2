/** Nothing is being recorded: start, or look at what was. */

import { dateTime } from "@trailmind/api";
import { useEffect, useId, useState } from "preact/hooks";

import { browser } from "wxt/browser";

import type { RecentSession } from "../../messages";
import { askToReadPages } from "../../permission";
import { decide } from "../../privacy/policy";
import { changeSettings, webOrigin } from "../../settings";
import { command } from "../command";
import { Button, Icon, Problem, useCommand } from "../parts";
import { useShared } from "../shared";
import { Recent } from "./recent";

interface ActiveTab {
  id: number;
  windowId: number;
  url: string;
  isIncognito: boolean;
}

export async function activeTab(): Promise<ActiveTab | null> {
  const [tab] = await browser.tabs.query({ active: true, currentWindow: true });
  if (tab?.id === undefined) return null;
  return { id: tab.id, windowId: tab.windowId, url: tab.url ?? "", isIncognito: tab.incognito };
}

export function Ready() {
  const { settings, view, words } = useShared();
  const w = words.ready;
  const [tab, setTab] = useState<ActiveTab | null>(null);
  const [sessions, setSessions] = useState<RecentSession[] | null>(null);
  const [isListOpen, setListOpen] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  const { run, isBusy, error } = useCommand();

  useEffect(() => {
    void activeTab().then(setTab);
  }, []);
  const hasAccount = view?.account !== null;
  useEffect(() => {
    if (!hasAccount) return;
    void command("recent", {}).then((answer) => setSessions(answer.ok ? answer.value : []));
  }, [hasAccount]);

  if (settings.consentedAt === null) return <ConsentNeeded />;
  if (isListOpen) return <Recent sessions={sessions} onChange={setSessions} onBack={() => setListOpen(false)} />;

  const decision = tab
    ? decide(tab.url, {
        excludedHosts: settings.excludedHosts,
        allowsIncognito: settings.allowsIncognito,
        isIncognito: tab.isIncognito,
        ownOrigins: [settings.serverUrl, webOrigin(settings)],
      })
    : null;
  const isWebsite = /^https?:/.test(tab?.url ?? "");
  const start = async () => {
    // Somebody may have taken the permission back since. If not, Chrome asks nothing.
    await askToReadPages();
    await run(command("start", { scope: settings.scope, tabId: tab?.id ?? null, windowId: tab?.windowId ?? null }));
  };
  const importTabs = async () => {
    await askToReadPages();
    const answer = await run(command("importTabs", {}));
    if (answer.ok) setSaid(words.imported(answer.value.imported, answer.value.skipped));
  };
  const importHistory = async () => {
    const isGranted = await browser.permissions.request({ permissions: ["history"] }).catch(() => false);
    if (!isGranted) return;
    const answer = await run(command("importHistory", { hours: 3 }));
    if (answer.ok) setSaid(words.imported(answer.value.imported, answer.value.skipped));
  };
  const last = sessions?.[0];

  return (
    <section class="stack">
      <ScopeChoice />
      <Button kind="record" name="start" isDisabled={isBusy} onClick={() => void start()}>
        <span class="dot" aria-hidden="true" />
        {w.start}
      </Button>
      <Problem text={error} />
      {decision && !decision.allowed && isWebsite && (
        <p class="note">{w.excludedHere(words.reasons[decision.reason] ?? decision.reason)}</p>
      )}
      {view && view.earlier.waiting > 0 && <p class="note amber">{w.earlier(view.earlier.waiting)}</p>}
      {last && (
        <div class="last">
          <div class="row">
            <h2 class="small">{w.last}</h2>
            <button type="button" class="link" data-name="recent" onClick={() => setListOpen(true)}>
              {w.recent}
            </button>
          </div>
          <a class="card" href={`${webOrigin(settings)}/sessions/${last.id}`} target="_blank" rel="noreferrer">
            <span class="card-title">{last.title || words.common.untitled}</span>
            <span class="muted">
              {dateTime(last.startedAt, words.language)}
              {last.pages !== null && ` · ${last.pages} ${words.common.pages}`}
            </span>
            <Icon name="out" />
          </a>
        </div>
      )}
      <div>
        <h2 class="small">{w.importTitle}</h2>
        <div class="pair">
          <Button name="import-tabs" isDisabled={isBusy} onClick={() => void importTabs()}>
            {w.importTabs}
          </Button>
          <Button name="import-history" isDisabled={isBusy} onClick={() => void importHistory()}>
            {w.importHistory}
          </Button>
        </div>
      </div>
      <p role="status" class="muted said">
        {said}
      </p>
      {tab && isWebsite && (
        <a
          class="link"
          href={`${browser.runtime.getURL("/show-me.html")}?tab=${tab.id}`}
          target="_blank"
          rel="noopener"
        >
          {w.showMe}
        </a>
      )}
    </section>
  );
}

function ConsentNeeded() {
  const { words } = useShared();
  return (
    <section class="stack center">
      <h2>{words.consent.needed}</h2>
      <p class="muted">{words.consent.lead}</p>
      <Button kind="primary" onClick={() => void browser.tabs.create({ url: browser.runtime.getURL("/welcome.html") })}>
        {words.consent.open}
      </Button>
    </section>
  );
}

export function ScopeChoice() {
  const { settings, words } = useShared();
  const name = useId();
  return (
    <fieldset class="segments">
      <legend class="hidden">{words.ready.scope}</legend>
      {(["all", "window", "tab"] as const).map((scope) => (
        <label key={scope}>
          <input
            type="radio"
            name={name}
            checked={settings.scope === scope}
            onChange={() => void changeSettings({ scope })}
          />
          <span>{words.ready.scopes[scope]}</span>
        </label>
      ))}
    </fieldset>
  );
}
