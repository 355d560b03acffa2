/** Shows what a recording would send about one page. The event is built by the code that records. */

import { useEffect, useState } from "preact/hooks";

import type { Preview } from "../../protocol";
import type { EventBody } from "../../queue/model";
import { command } from "../command";
import { useUi } from "../context";
import { Logo } from "../parts";
import "./page.css";
import "./preview.css";

export function PreviewPage() {
  const { messages } = useUi();
  const text = messages.preview;
  const [preview, setPreview] = useState<Preview | "failed" | null>(null);
  useEffect(() => {
    const tabId = Number(new URLSearchParams(location.search).get("tab"));
    void command("preview", { tabId }).then((response) => setPreview(response.ok ? response.value : "failed"));
  }, []);
  return (
    <main class="sheet">
      <header class="sheet-head">
        <Logo />
        <h1>{text.title}</h1>
        <p class="lead">{text.lead}</p>
      </header>
      {preview === null && <p class="muted">{messages.common.loading}</p>}
      {preview === "failed" && <p class="note amber">{text.unavailable}</p>}
      {preview && preview !== "failed" && <PreviewContent preview={preview} />}
    </main>
  );
}

function PreviewContent({ preview }: { preview: Preview }) {
  const { messages } = useUi();
  const text = messages.preview;
  if (!preview.decision.allowed) {
    return <p class="note">{text.nothing(messages.reasons[preview.decision.reason] ?? preview.decision.reason)}</p>;
  }
  const event = preview.events?.[0] as EventBody | undefined;
  if (!event) return <p class="note amber">{text.unavailable}</p>;
  const { content, ...rest } = event;
  const isUnreadPdf = event.metadata?.text_missing === "pdf_unreadable";
  return (
    <>
      <dl class="facts">
        <dt>{text.address}</dt>
        <dd>{event.url}</dd>
        <dt>{text.pageTitle}</dt>
        <dd>{event.title ?? "–"}</dd>
      </dl>
      <h2>{content ? text.text(content.length) : isUnreadPdf ? text.unreadablePdf : text.noText}</h2>
      {content && <pre class="page-text">{content}</pre>}
      <h2>{text.raw}</h2>
      <pre>{JSON.stringify(content ? { ...rest, content: `… (${content.length})` } : rest, null, 2)}</pre>
    </>
  );
}
