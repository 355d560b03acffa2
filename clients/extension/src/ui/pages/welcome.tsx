/** The first page: what is recorded and where it goes. Nothing can be recorded before somebody agreed here. */

import { useState } from "preact/hooks";

import { askToReadPages } from "../../permission";
import { changeSettings } from "../../settings";
import { Button, Mark } from "../parts";
import { useShared } from "../shared";

export function Welcome() {
  const { settings, words } = useShared();
  const w = words.welcome;
  const [isRefused, setRefused] = useState(false);
  const agree = async () => {
    const isGranted = await askToReadPages();
    setRefused(!isGranted);
    if (isGranted) await changeSettings({ consentedAt: Date.now() });
  };
  return (
    <main class="sheet">
      <header class="sheet-head">
        <Mark />
        <h1>{w.title}</h1>
        <p class="lead">{w.lead}</p>
      </header>
      <div class="columns">
        <section>
          <h2>{w.recordedTitle}</h2>
          <ul>
            {w.recorded.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </section>
        <section>
          <h2>{w.neverTitle}</h2>
          <ul>
            {w.never.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </section>
      </div>
      <section>
        <h2>{w.whereTitle}</h2>
        <p>{w.where(new URL(settings.serverUrl).host)}</p>
      </section>
      <section>
        <h2>{w.askTitle}</h2>
        <p>{w.ask}</p>
      </section>
      {settings.consentedAt === null ? (
        <div class="row actions">
          <Button kind="primary" name="agree" onClick={() => void agree()}>
            {w.agree}
          </Button>
          <Button kind="quiet" onClick={() => window.close()}>
            {w.later}
          </Button>
        </div>
      ) : (
        <p class="note" role="status">
          {w.done}
        </p>
      )}
      {isRefused && (
        <p class="note amber" role="alert">
          {w.refused}
        </p>
      )}
    </main>
  );
}
