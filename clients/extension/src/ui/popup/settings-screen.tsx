/** Every choice takes effect at once; addresses when they are complete. */

import { useId, useState } from "preact/hooks";

import { browser } from "wxt/browser";

import { changeSettings, parseOrigin, type Settings } from "../../settings";
import { command } from "../command";
import { Button, Problem, useCommand } from "../parts";
import { useShared } from "../shared";
import { ScopeChoice } from "./ready";

export function SettingsScreen() {
  const { settings, view, words } = useShared();
  const w = words.settings;
  const id = useId();
  return (
    <section class="stack settings">
      <h2 class="small">{w.recording}</h2>
      <ScopeChoice />
      <Switch label={w.text} hint={w.textHint} setting="recordsText" />
      <Switch label={w.incognito} hint={w.incognitoHint} setting="allowsIncognito" />
      <h2 class="small">{w.excluded}</h2>
      <ExcludedHosts />
      <div class="field">
        <label for={id}>{w.language}</label>
        <select
          id={id}
          value={settings.language}
          onChange={(event) => void changeSettings({ language: event.currentTarget.value as Settings["language"] })}
        >
          {(["auto", "ko", "en"] as const).map((choice) => (
            <option key={choice} value={choice}>
              {w.languages[choice]}
            </option>
          ))}
        </select>
      </div>
      <Address setting="serverUrl" label={w.server} hint={view?.account ? w.serverSignsOut : ""} />
      <Address setting="webUrl" label={w.web} hint={w.webHint} />
      {view?.account && <AccountPart email={view.account.email} />}
      <a class="link" href={browser.runtime.getURL("/welcome.html")} target="_blank" rel="noopener">
        {w.consent}
      </a>
      <p class="muted">{w.version(browser.runtime.getManifest().version)}</p>
    </section>
  );
}

function AccountPart({ email }: { email: string }) {
  const { view, words } = useShared();
  const { run, isBusy } = useCommand();
  const isRecording = view?.current?.status === "recording" || view?.current?.status === "paused";
  return (
    <>
      <h2 class="small">{words.settings.account}</h2>
      <div class="row">
        <span class="grow">{email}</span>
        <Button name="sign-out" isDisabled={isBusy} onClick={() => void run(command("signOut", {}))}>
          {words.settings.signOut}
        </Button>
      </div>
      {isRecording && <p class="muted">{words.settings.signOutRecording}</p>}
    </>
  );
}

function Switch({ label, hint, setting }: { label: string; hint: string; setting: "recordsText" | "allowsIncognito" }) {
  const { settings } = useShared();
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

function ExcludedHosts() {
  const { settings, words } = useShared();
  const w = words.settings;
  const [typed, setTyped] = useState("");
  const { run, error } = useCommand();
  const add = async (event: Event) => {
    event.preventDefault();
    const answer = await run(command("exclude", { host: typed }));
    if (answer.ok) setTyped("");
  };
  return (
    <div class="stack tight">
      <p class="muted">{w.excludedHint}</p>
      <form class="row" onSubmit={(event) => void add(event)}>
        <input
          class="grow"
          aria-label={w.excluded}
          placeholder={w.addHost}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        <button type="submit" class="button plain">
          {w.add}
        </button>
      </form>
      <Problem text={error} />
      {settings.excludedHosts.length > 0 && (
        <ul class="chips">
          {settings.excludedHosts.map((host) => (
            <li key={host}>
              {host}
              <button
                type="button"
                aria-label={w.remove(host)}
                onClick={() => void changeSettings({ excludedHosts: settings.excludedHosts.filter((h) => h !== host) })}
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
  const { settings, words } = useShared();
  const [typed, setTyped] = useState(settings[setting]);
  const [said, setSaid] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const id = useId();
  const save = async (event: Event) => {
    event.preventDefault();
    const origin = typed.trim() === "" && setting === "webUrl" ? "" : parseOrigin(typed);
    setSaid(null);
    setError(origin === null ? words.settings.badAddress : null);
    if (origin === null || origin === settings[setting]) return;
    // A token belongs to the server that gave it.
    if (setting === "serverUrl") await command("signOut", {});
    await changeSettings({ [setting]: origin });
    setTyped(origin);
    setSaid(words.settings.saved);
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
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        {typed !== settings[setting] && (
          <button type="submit" class="button plain">
            {words.common.save}
          </button>
        )}
      </div>
      <p class="muted" role="status">
        {said ?? hint}
      </p>
      <Problem text={error} />
    </form>
  );
}
