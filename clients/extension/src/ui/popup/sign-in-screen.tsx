/** Sign-in with e-mail and password, with Google, or on the dashboard. */

import { useEffect, useId, useState } from "preact/hooks";

import { browser } from "wxt/browser";

import { changeSettings, findOrigin, isServerChosen } from "../../settings";
import { command } from "../command";
import { useUi } from "../context";
import { Button, ErrorNote, useCommand } from "../parts";

export function SignInScreen() {
  const { view, messages } = useUi();
  return (
    <section class="stack">
      <div>
        <h2>{messages.signedOut.title}</h2>
        <p class="muted">
          {view?.account?.isExpired ? messages.signedOut.expired(view.account.email) : messages.signedOut.lead}
        </p>
      </div>
      <SignInForm />
    </section>
  );
}

export function SignInForm() {
  const { settings } = useUi();
  const [isChanging, setChanging] = useState(false);
  if (isChanging || !isServerChosen(settings)) return <ServerForm onDone={() => setChanging(false)} />;
  return <CredentialsForm onChangeServer={() => setChanging(true)} />;
}

/** Asks for the server before the password: nothing is sent to an address that the user has not seen. */
function ServerForm({ onDone }: { onDone: () => void }) {
  const { settings, messages } = useUi();
  const text = messages.signedOut;
  const [input, setInput] = useState(settings.serverUrl);
  const [error, setError] = useState<string | null>(null);
  const id = useId();
  const save = async (event: Event) => {
    event.preventDefault();
    const origin = await findOrigin(input);
    if (origin === null) {
      setError(messages.settings.badAddress);
      return;
    }
    // A token is valid only for the server that issued it.
    if (origin !== settings.serverUrl) await command("signOut", {});
    await changeSettings({ serverUrl: origin, isServerAccepted: true });
    onDone();
  };
  return (
    <form class="stack" onSubmit={(event) => void save(event)}>
      <div class="field">
        <label for={id}>{text.serverAsk}</label>
        <input
          id={id}
          name="server"
          inputMode="url"
          spellcheck={false}
          required
          value={input}
          onInput={(event) => setInput(event.currentTarget.value)}
        />
        <p class="muted">{text.serverHint}</p>
      </div>
      <ErrorNote text={error} />
      <button type="submit" class="button primary" data-name="use-server">
        {text.useServer}
      </button>
    </form>
  );
}

function CredentialsForm({ onChangeServer }: { onChangeServer: () => void }) {
  const { settings, view, messages } = useUi();
  const text = messages.signedOut;
  const [isNew, setNew] = useState(false);
  const [email, setEmail] = useState(view?.account?.email ?? "");
  const [password, setPassword] = useState("");
  const { run, isBusy, error } = useCommand();
  const id = useId();
  const [hasGoogle, setHasGoogle] = useState(false);
  const [sendsMail, setSendsMail] = useState(false);
  const [isMailSent, setMailSent] = useState(false);
  useEffect(() => {
    void command("sendsMail", {}).then((response) => setSendsMail(response.ok && response.value));
    void command("hasGoogle", {}).then((response) => setHasGoogle(response.ok && response.value));
  }, [settings.serverUrl]);

  const submit = (event: Event) => {
    event.preventDefault();
    void run(command("signIn", { email: email.trim(), password, isNew })).then((response) => {
      if (!response.ok || !response.value.isMailSent) return;
      setMailSent(true);
      setNew(false);
      setPassword("");
    });
  };
  const needsPassword = !(isNew && sendsMail);
  const google = async () => {
    // Chrome accepts the request only in the handler of the click.
    if (await browser.permissions.request({ permissions: ["identity"] })) await run(command("signInWithGoogle", {}));
  };

  return (
    <form class="stack" onSubmit={submit}>
      <p class="row" data-name="server">
        <span class="grow muted">{text.server(new URL(settings.serverUrl).host)}</span>
        <button type="button" class="link" onClick={onChangeServer}>
          {text.changeServer}
        </button>
      </p>
      <div class="field">
        <label for={`${id}e`}>{text.email}</label>
        <input
          id={`${id}e`}
          type="email"
          name="email"
          autocomplete="email"
          required
          value={email}
          onInput={(event) => setEmail(event.currentTarget.value)}
        />
      </div>
      {needsPassword ? (
        <div class="field">
          <label for={`${id}p`}>{text.password}</label>
          <input
            id={`${id}p`}
            type="password"
            name="password"
            autocomplete={isNew ? "new-password" : "current-password"}
            required
            minLength={isNew ? 8 : 1}
            placeholder={isNew ? text.passwordHint : ""}
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </div>
      ) : (
        <p class="muted">{text.byMail.password}</p>
      )}
      {isMailSent && (
        <p class="muted" role="status" data-name="mail-sent">
          {text.byMail.sent}
        </p>
      )}
      <ErrorNote text={error} />
      <button type="submit" class="button primary" disabled={isBusy}>
        {isBusy ? text.working : isNew ? text.signUp : text.signIn}
      </button>
      {hasGoogle && (
        <Button name="google" onClick={() => void google()}>
          {text.withGoogle}
        </Button>
      )}
      <Button name="on-the-web" onClick={() => void run(command("signInOnTheWeb", {}))}>
        {text.onTheWeb}
      </Button>
      <Button kind="quiet" name="toggle-new" onClick={() => setNew(!isNew)}>
        {isNew ? text.toSignIn : text.toSignUp}
      </Button>
    </form>
  );
}
