/** E-mail and password, Google, or the dashboard. */

import { useEffect, useId, useState } from "preact/hooks";

import { browser } from "wxt/browser";

import { command } from "../command";
import { Button, Problem, useCommand } from "../parts";
import { useShared } from "../shared";

export function SignedOut() {
  const { view, words } = useShared();
  return (
    <section class="stack">
      <div>
        <h2>{words.signedOut.title}</h2>
        <p class="muted">
          {view?.account?.isExpired ? words.signedOut.expired(view.account.email) : words.signedOut.lead}
        </p>
      </div>
      <SignInForm />
    </section>
  );
}

export function SignInForm() {
  const { settings, view, words } = useShared();
  const w = words.signedOut;
  const [isNew, setNew] = useState(false);
  const [email, setEmail] = useState(view?.account?.email ?? "");
  const [password, setPassword] = useState("");
  const { run, isBusy, error } = useCommand();
  const id = useId();
  const [hasGoogle, setHasGoogle] = useState(false);
  useEffect(() => {
    void command("hasGoogle", {}).then((answer) => setHasGoogle(answer.ok && answer.value));
  }, [settings.serverUrl]);

  const submit = (event: Event) => {
    event.preventDefault();
    void run(command("signIn", { email: email.trim(), password, isNew }));
  };
  const google = async () => {
    // Has to be asked for in the click itself.
    if (await browser.permissions.request({ permissions: ["identity"] })) await run(command("signInWithGoogle", {}));
  };

  return (
    <form class="stack" onSubmit={submit}>
      <div class="field">
        <label for={`${id}e`}>{w.email}</label>
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
      <div class="field">
        <label for={`${id}p`}>{w.password}</label>
        <input
          id={`${id}p`}
          type="password"
          name="password"
          autocomplete={isNew ? "new-password" : "current-password"}
          required
          minLength={isNew ? 8 : 1}
          placeholder={isNew ? w.passwordHint : ""}
          value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
      </div>
      <Problem text={error} />
      <button type="submit" class="button primary" disabled={isBusy}>
        {isBusy ? w.working : isNew ? w.signUp : w.signIn}
      </button>
      {hasGoogle && (
        <Button name="google" onClick={() => void google()}>
          {w.withGoogle}
        </Button>
      )}
      <Button name="on-the-web" onClick={() => void run(command("signInOnTheWeb", {}))}>
        {w.onTheWeb}
      </Button>
      <Button kind="quiet" name="toggle-new" onClick={() => setNew(!isNew)}>
        {isNew ? w.toSignIn : w.toSignUp}
      </Button>
    </form>
  );
}
