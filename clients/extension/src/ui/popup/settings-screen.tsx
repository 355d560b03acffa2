/** The settings. Each change takes effect at once, addresses when they are saved. */

import { useId, useState } from "preact/hooks";

import { browser } from "wxt/browser";

import { changeSettings, findOrigin, type Settings } from "../../settings";
import { command } from "../command";
import { useUi } from "../context";
import { Button, ErrorNote, useCommand } from "../parts";
import { ScopeChoice } from "./scope-choice";
import "./settings-screen.css";

export function SettingsScreen() {
  const { settings, view, messages } = useUi();
  const text = messages.settings;
  const id = useId();
  return (
    <section class="stack settings">
      <h2 class="small">{text.recording}</h2>
      <ScopeChoice />
      <Switch label={text.text} hint={text.textHint} setting="recordsText" />
      <Switch label={text.incognito} hint={text.incognitoHint} setting="allowsIncognito" />
      <h2 class="small">{text.excluded}</h2>
      <SiteList setting="excludedHosts" />
      <h2 class="small">{text.allowed}</h2>
      <SiteList setting="allowedHosts" />
      <div class="field">
        <label for={id}>{text.language}</label>
        <select
          id={id}
          value={settings.language}
          onChange={(event) => void changeSettings({ language: event.currentTarget.value as Settings["language"] })}
        >
          {(["auto", "ko", "en"] as const).map((choice) => (
            <option key={choice} value={choice}>
              {text.languages[choice]}
            </option>
          ))}
        </select>
      </div>
      <Address setting="serverUrl" label={text.server} hint={view?.account ? text.serverSignsOut : ""} />
      <Address setting="webUrl" label={text.web} hint={text.webHint} />
      {view?.account && <AccountSection email={view.account.email} />}
      <a class="link" href={browser.runtime.getURL("/welcome.html")} target="_blank" rel="noopener">
        {text.consent}
      </a>
      <p class="muted">{text.version(browser.runtime.getManifest().version)}</p>
    </section>
  );
}

function AccountSection({ email }: { email: string }) {
  const { view, messages } = useUi();
  const { run, isBusy } = useCommand();
  const isRecording = view?.current?.status === "recording" || view?.current?.status === "paused";
  return (
    <>
      <h2 class="small">{messages.settings.account}</h2>
      <div class="row">
        <span class="grow">{email}</span>
        <Button name="sign-out" isDisabled={isBusy} onClick={() => void run(command("signOut", {}))}>
          {messages.settings.signOut}
        </Button>
      </div>
      {isRecording && <p class="muted">{messages.settings.signOutRecording}</p>}
    </>
  );
}

function Switch({ label, hint, setting }: { label: string; hint: string; setting: "recordsText" | "allowsIncognito" }) {
  const { settings } = useUi();
  const id = useId();
  return (
    <div class="switch">
      <div class="grow">
        <label for={id}>{label}</label>
        <p class="muted" id={`${id}h`}>
          {hint}
        </p>
      </div>
      <input
        id={id}
        type="checkbox"
        // biome-ignore lint/a11y/useAriaPropsForRole: a checkbox has its state in `checked`
        role="switch"
        aria-describedby={`${id}h`}
        checked={settings[setting]}
        onChange={(event) => void changeSettings({ [setting]: event.currentTarget.checked })}
      />
    </div>
  );
}

/** The sites of one list of the account, with a field to add one. */
function SiteList({ setting }: { setting: "excludedHosts" | "allowedHosts" }) {
  const { settings, messages } = useUi();
  const text = messages.settings;
  const [input, setInput] = useState("");
  const { run, error } = useCommand();
  const isExcluded = setting === "excludedHosts";
  const add = async (event: Event) => {
    event.preventDefault();
    const response = await run(command(isExcluded ? "exclude" : "allow", { host: input }));
    if (response.ok) setInput("");
  };
  return (
    <div class="stack tight">
      <p class="muted">{isExcluded ? text.excludedHint : text.allowedHint}</p>
      <form class="row" onSubmit={(event) => void add(event)}>
        <input
          class="grow"
          aria-label={isExcluded ? text.excluded : text.allowed}
          placeholder={text.addHost}
          value={input}
          onInput={(event) => setInput(event.currentTarget.value)}
        />
        <button type="submit" class="button plain">
          {text.add}
        </button>
      </form>
      <ErrorNote text={error} />
      {settings[setting].length > 0 && (
        <ul class="chips">
          {settings[setting].map((host) => (
            <li key={host}>
              {host}
              <button
                type="button"
                aria-label={text.remove(host)}
                onClick={() => void run(command("forgetSite", { host }))}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Address({ setting, label, hint }: { setting: "serverUrl" | "webUrl"; label: string; hint: string }) {
  const { settings, messages } = useUi();
  const [input, setInput] = useState(settings[setting]);
  const [notice, setNotice] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const id = useId();
  const save = async (event: Event) => {
    event.preventDefault();
    const origin = input.trim() === "" && setting === "webUrl" ? "" : await findOrigin(input);
    setNotice(null);
    setError(origin === null ? messages.settings.badAddress : null);
    if (origin === null || origin === settings[setting]) return;
    // A token is valid only for the server that issued it.
    if (setting === "serverUrl") await command("signOut", {});
    await changeSettings({ [setting]: origin, ...(setting === "serverUrl" ? { isServerAccepted: true } : {}) });
    setInput(origin);
    setNotice(messages.settings.saved);
  };
  return (
    <form class="field" onSubmit={(event) => void save(event)}>
      <label for={id}>{label}</label>
      <div class="row">
        <input
          id={id}
          class="grow"
          inputMode="url"
          spellcheck={false}
          value={input}
          onInput={(event) => setInput(event.currentTarget.value)}
          // Leaving the field saves it: a typed address must not be dropped without a word.
          onBlur={(event) => void save(event)}
        />
        {input !== settings[setting] && (
          <button type="submit" class="button plain">
            {messages.common.save}
          </button>
        )}
      </div>
      <p class="muted" role="status">
        {notice ?? hint}
      </p>
      <ErrorNote text={error} />
    </form>
  );
}
