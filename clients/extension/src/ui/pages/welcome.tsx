/** The first-run page: what is recorded and where it is sent. Nothing is recorded before the user agrees. */

import { useState } from "preact/hooks";

import { requestPagePermission } from "../../permission";
import { changeSettings } from "../../settings";
import { useUi } from "../context";
import { Button, Logo } from "../parts";
import "./page.css";
import "./welcome.css";

export function WelcomePage() {
  const { settings, messages } = useUi();
  const text = messages.welcome;
  const [isDenied, setDenied] = useState(false);
  const agree = async () => {
    const isGranted = await requestPagePermission();
    setDenied(!isGranted);
    if (isGranted) await changeSettings({ consentedAt: Date.now() });
  };
  return (
    <main class="sheet">
      <header class="sheet-head">
        <Logo />
        <h1>{text.title}</h1>
        <p class="lead">{text.lead}</p>
      </header>
      <div class="columns">
        <section>
          <h2>{text.recordedTitle}</h2>
          <ul>
            {text.recorded.map((item) => (
              <li key={item}>{item}</li>
            ))}
          </ul>
        </section>
        <section>
          <h2>{text.neverTitle}</h2>
          <ul>
            {text.never.map((item) => (
              <li key={item}>{item}</li>
            ))}
          </ul>
        </section>
      </div>
      <section>
        <h2>{text.whereTitle}</h2>
        <p>{text.where(new URL(settings.serverUrl).host)}</p>
      </section>
      <section>
        <h2>{text.askTitle}</h2>
        <p>{text.ask}</p>
      </section>
      {settings.consentedAt === null ? (
        <div class="row actions">
          <Button kind="primary" name="agree" onClick={() => void agree()}>
            {text.agree}
          </Button>
          <Button kind="quiet" onClick={() => window.close()}>
            {text.later}
          </Button>
        </div>
      ) : (
        <p class="note" role="status">
          {text.done}
        </p>
      )}
      {isDenied && (
        <p class="note amber" role="alert">
          {text.refused}
        </p>
      )}
    </main>
  );
}
