/** The first-run page: what is recorded and where it is sent. Nothing is recorded before the user agrees. */

import { useEffect, useState } from "preact/hooks";

import { requestPagePermission } from "../../permission";
import { changeSettings, isServerChosen, webOrigin } from "../../settings";
import { command } from "../command";
import { useUi } from "../context";
import { Button, Logo } from "../parts";
import "./page.css";
import "./welcome.css";

export function WelcomePage() {
  const { settings, messages } = useUi();
  const text = messages.welcome;
  const isChosen = isServerChosen(settings);
  const vendors = useModelVendors(isChosen ? settings.serverUrl : null);
  const server = new URL(settings.serverUrl).host;
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
        <p>{text.where(isChosen ? server : null)}</p>
        <p data-name="vendors">
          {!isChosen
            ? text.vendorsLater
            : vendors === undefined
              ? messages.common.loading
              : vendors === null
                ? text.vendorsUnknown(server)
                : vendors.length === 0
                  ? text.noVendors
                  : text.vendors(vendors.join(", "))}{" "}
          {vendors && vendors.length > 0 && (
            <a href={`${webOrigin(settings)}/account#disclosures`} target="_blank" rel="noreferrer">
              {text.vendorsMore}
            </a>
          )}
        </p>
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

/** The AI vendors of the server, if one is chosen; undefined until it has answered, null when it does not. */
function useModelVendors(serverUrl: string | null): string[] | null | undefined {
  const [vendors, setVendors] = useState<string[] | null>();
  useEffect(() => {
    let isCurrent = true;
    setVendors(undefined);
    if (serverUrl === null) return undefined;
    void command("modelVendors", {}).then((response) => {
      if (isCurrent) setVendors(response.ok ? response.value : null);
    });
    return () => {
      isCurrent = false;
    };
  }, [serverUrl]);
  return vendors;
}
