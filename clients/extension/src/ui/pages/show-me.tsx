/** What a recording would send about one page, made by the very code that sends it. */

import { useEffect, useState } from "preact/hooks";

import type { Preview } from "../../messages";
import type { EventBody } from "../../queue/model";
import { command } from "../command";
import { Mark } from "../parts";
import { useShared } from "../shared";

export function ShowMe() {
  const { words } = useShared();
  const w = words.showMe;
  const [preview, setPreview] = useState<Preview | "failed" | null>(null);
  useEffect(() => {
    const tabId = Number(new URLSearchParams(location.search).get("tab"));
    void command("preview", { tabId }).then((answer) => setPreview(answer.ok ? answer.value : "failed"));
  }, []);
  return (
    <main class="sheet">
      <header class="sheet-head">
        <Mark />
        <h1>{w.title}</h1>
        <p class="lead">{w.lead}</p>
      </header>
      {preview === null && <p class="muted">{words.common.loading}</p>}
      {preview === "failed" && <p class="note amber">{w.unavailable}</p>}
      {preview && preview !== "failed" && <Shown preview={preview} />}
    </main>
  );
}

function Shown({ preview }: { preview: Preview }) {
  const { words } = useShared();
  const w = words.showMe;
  if (!preview.decision.allowed) {
    return <p class="note">{w.nothing(words.reasons[preview.decision.reason] ?? preview.decision.reason)}</p>;
  }
  const event = preview.events?.[0] as EventBody | undefined;
  if (!event) return <p class="note amber">{w.unavailable}</p>;
  const { content, ...rest } = event;
  return (
    <>
      <dl class="facts">
        <dt>{w.address}</dt>
        <dd>{event.url}</dd>
        <dt>{w.pageTitle}</dt>
        <dd>{event.title ?? "–"}</dd>
      </dl>
      <h2>{content ? w.text(content.length) : w.noText}</h2>
      {content && <pre class="page-text">{content}</pre>}
      <h2>{w.raw}</h2>
      <pre>{JSON.stringify(content ? { ...rest, content: `… (${content.length})` } : rest, null, 2)}</pre>
    </>
  );
}
