/** After Stop: what is left goes out, then the map is made. */

import { duration } from "@trailmind/api";
import { elapsedMs, type RecordingView } from "../../recording/view";
import { webOrigin } from "../../settings";
import { command } from "../command";
import { Button, Icon, Numbers, Problem, useCommand } from "../parts";
import { useShared } from "../shared";
import { activeTab } from "./ready";
import { ReceiptLine } from "./receipt";
import { Title } from "./recording";
import { saveFile } from "./save-file";

function useNewSession() {
  const { settings } = useShared();
  const { run, isBusy, error } = useCommand();
  const begin = async () => {
    const tab = await activeTab();
    await run(command("start", { scope: settings.scope, tabId: tab?.id ?? null, windowId: tab?.windowId ?? null }));
  };
  return { begin, isBusy, error };
}

export function Stopping({ recording }: { recording: RecordingView }) {
  const { words } = useShared();
  const w = words.stopping;
  const { begin, isBusy, error } = useNewSession();
  return (
    <section class="stack">
      <div class="hero">
        <h2>{w.title}</h2>
        <p class="muted">{recording.receipt.waiting > 0 ? w.lead(recording.receipt.waiting) : w.finishing}</p>
      </div>
      <Summary recording={recording} />
      <ReceiptLine recording={recording} />
      <Problem text={error} />
      <div class="bottom">
        <Button name="start" isDisabled={isBusy} onClick={() => void begin()}>
          {w.newSession}
        </Button>
      </div>
    </section>
  );
}

export function Completed({ recording }: { recording: RecordingView }) {
  const { settings, view, words } = useShared();
  const w = words.completed;
  const { run, isBusy, error } = useCommand();
  const status = view?.generation?.status ?? "none";
  const { receipt } = recording;
  const isEmpty = receipt.stored === 0;
  return (
    <section class="stack">
      <div class="hero">
        <h2 class="done">
          {receipt.invalid === 0 && <Icon name="check" />}
          {receipt.invalid === 0 ? w.title : w.titleRefused}
        </h2>
        <Title recording={recording} />
      </div>
      <Summary recording={recording} />
      <p class="muted center" data-name="confirmed">
        {isEmpty ? w.empty : w.confirmed(receipt.stored)}
      </p>
      {receipt.invalid > 0 && (
        <p class="note amber">
          {w.refused(receipt.invalid)}{" "}
          <button type="button" class="link" onClick={() => void saveFile(recording.id)}>
            {words.lost.export}
          </button>
        </p>
      )}
      {!isEmpty && (
        <div class="generation" role="status" data-generation={status}>
          <p>
            {w.generation[status]}
            {status === "generating" &&
              view?.generation?.percent != null &&
              ` ${Math.round(view.generation.percent)} %`}
          </p>
          {(status === "generating" || status === "pending") && (
            <progress max={100} value={view?.generation?.percent ?? undefined} aria-label={w.generation[status]} />
          )}
        </div>
      )}
      <Problem text={error} />
      <div class="pair bottom">
        <Button name="new" isDisabled={isBusy} onClick={() => void run(command("dismiss", { id: recording.id }))}>
          {w.newSession}
        </Button>
        <a
          class="button primary"
          href={`${webOrigin(settings)}/sessions/${recording.serverId}`}
          target="_blank"
          rel="noreferrer"
        >
          {status === "completed" ? w.openMap : w.openSession}
        </a>
      </div>
    </section>
  );
}

function Summary({ recording }: { recording: RecordingView }) {
  const { words } = useShared();
  return (
    <Numbers
      items={[
        { value: duration(elapsedMs(recording, Date.now()), words.language), label: words.recording.time },
        { value: recording.pages, label: words.common.pages },
        { value: recording.highlights, label: words.common.highlights },
      ]}
    />
  );
}
