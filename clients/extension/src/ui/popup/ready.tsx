/** The screen without a recording: start one, import pages, or open earlier sessions. */

import { dateTime, sessionName } from "@trailmind/api";
import { useEffect, useState } from "preact/hooks";

import { browser } from "wxt/browser";
import { requestPagePermission } from "../../permission";
import { evaluatePolicy } from "../../privacy/policy";
import type { RecentSession } from "../../protocol";
import { webOrigin } from "../../settings";
import { type ActiveTab, activeTab } from "../active-tab";
import { command } from "../command";
import { useUi } from "../context";
import { Button, ErrorNote, Icon, useCommand } from "../parts";
import { RecentSessions } from "./recent";
import { ScopeChoice } from "./scope-choice";
import "./ready.css";

/** Reasons that an entry in the list of allowed sites does not lift. */
const NOT_ALLOWABLE: ReadonlySet<string> = new Set(["incognito", "own_site", "not_a_page", "password_field"]);

export function ReadyScreen() {
  const { settings, view, messages } = useUi();
  const text = messages.ready;
  const [tab, setTab] = useState<ActiveTab | null>(null);
  const [sessions, setSessions] = useState<RecentSession[] | null>(null);
  const [hasNoAnswer, setNoAnswer] = useState(false);
  const [isListOpen, setListOpen] = useState(false);
  const [notice, setNotice] = useState<string | null>(null);
  const { run, isBusy, error } = useCommand();

  useEffect(() => {
    void activeTab().then(setTab);
  }, []);
  const hasAccount = view?.account !== null;
  useEffect(() => {
    if (!hasAccount) return;
    void command("recent", {}).then((response) => {
      if (response.ok) setSessions(response.value);
      setNoAnswer(!response.ok);
    });
  }, [hasAccount]);

  if (settings.consentedAt === null) return <ConsentNeeded />;
  if (isListOpen)
    return <RecentSessions sessions={sessions} onChange={setSessions} onBack={() => setListOpen(false)} />;

  const decision = tab
    ? evaluatePolicy(tab.url, {
        excludedHosts: settings.excludedHosts,
        allowedHosts: settings.allowedHosts,
        allowsIncognito: settings.allowsIncognito,
        isIncognito: tab.isIncognito,
        ownOrigins: [settings.serverUrl, webOrigin(settings)],
      })
    : null;
  const isWebsite = /^https?:/.test(tab?.url ?? "");
  const start = async () => {
    // The user may have revoked the permission; if it is granted, Chrome shows no dialog.
    await requestPagePermission();
    await run(command("start", { scope: settings.scope, tabId: tab?.id ?? null, windowId: tab?.windowId ?? null }));
  };
  const importTabs = async () => {
    await requestPagePermission();
    const response = await run(command("importTabs", {}));
    if (response.ok) setNotice(messages.imported(response.value.imported, response.value.skipped));
  };
  const importHistory = async () => {
    const isGranted = await browser.permissions.request({ permissions: ["history"] }).catch(() => false);
    if (!isGranted) return;
    const response = await run(command("importHistory", { hours: 3 }));
    if (response.ok) setNotice(messages.imported(response.value.imported, response.value.skipped));
  };
  const last = sessions?.[0];

  return (
    <section class="stack">
      <ScopeChoice />
      <Button kind="record" name="start" isDisabled={isBusy} onClick={() => void start()}>
        <span class="dot" aria-hidden="true" />
        {text.start}
      </Button>
      <ErrorNote text={error} />
      {decision && !decision.allowed && isWebsite && (
        <div class="note">
          <p>{text.excludedHere(messages.reasons[decision.reason] ?? decision.reason)}</p>
          {tab && !NOT_ALLOWABLE.has(decision.reason) && (
            <button
              type="button"
              class="link"
              data-name="allow"
              onClick={() => void run(command("allow", { host: new URL(tab.url).hostname }))}
            >
              {text.allowHere}
            </button>
          )}
        </div>
      )}
      {view && view.earlier.waiting > 0 && <p class="note amber">{text.earlier(view.earlier.waiting)}</p>}
      {hasNoAnswer && <p class="muted">{messages.recent.error}</p>}
      {last && (
        <div class="last">
          <div class="row">
            <h2 class="small">{text.last}</h2>
            <button type="button" class="link" data-name="recent" onClick={() => setListOpen(true)}>
              {text.recent}
            </button>
          </div>
          <a class="card" href={`${webOrigin(settings)}/sessions/${last.id}`} target="_blank" rel="noreferrer">
            <span class="card-title">{sessionName(last, messages.language)}</span>
            <span class="muted">
              {dateTime(last.startedAt, messages.language)}
              {last.pages !== null && ` · ${messages.common.pages(last.pages)}`}
            </span>
            <Icon name="out" />
          </a>
        </div>
      )}
      <div>
        <h2 class="small">{text.importTitle}</h2>
        <div class="pair">
          <Button name="import-tabs" isDisabled={isBusy} onClick={() => void importTabs()}>
            {text.importTabs}
          </Button>
          <Button name="import-history" isDisabled={isBusy} onClick={() => void importHistory()}>
            {text.importHistory}
          </Button>
        </div>
      </div>
      <p role="status" class="muted notice">
        {notice}
      </p>
      {tab && isWebsite && (
        <a
          class="link"
          href={`${browser.runtime.getURL("/preview.html")}?tab=${tab.id}`}
          target="_blank"
          rel="noopener"
        >
          {text.openPreview}
        </a>
      )}
    </section>
  );
}

function ConsentNeeded() {
  const { messages } = useUi();
  return (
    <section class="stack center">
      <h2>{messages.consent.needed}</h2>
      <p class="muted">{messages.consent.lead}</p>
      <Button kind="primary" onClick={() => void browser.tabs.create({ url: browser.runtime.getURL("/welcome.html") })}>
        {messages.consent.open}
      </Button>
    </section>
  );
}
