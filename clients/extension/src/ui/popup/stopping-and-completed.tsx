/** The screens after Stop: the remaining events are sent, then the server generates the map. */

import { duration, wordErrorCode } from "@trailmind/api";
import { elapsedMs, type RecordingView } from "../../recording/view";
import { webOrigin } from "../../settings";
import { activeTab } from "../active-tab";
import { command } from "../command";
import { useUi } from "../context";
import { Button, ErrorNote, Icon, Statistics, useCommand } from "../parts";
import { ReceiptLine } from "./receipt";
import { Title } from "./recording";
import { saveFile } from "./save-file";
import "./stopping-and-completed.css";

function useNewSession() {
  const { settings } = useUi();
  const { run, isBusy, error } = useCommand();
  const begin = async () => {
    const tab = await activeTab();
    await run(command("start", { scope: settings.scope, tabId: tab?.id ?? null, windowId: tab?.windowId ?? null }));
  };
  return { begin, isBusy, error };
}

export function StoppingScreen({ recording }: { recording: RecordingView }) {
  const { messages } = useUi();
  const text = messages.stopping;
  const { begin, isBusy, error } = useNewSession();
  return (
    <section class="stack">
      <div class="hero">
        <h2>{text.title}</h2>
        <p class="muted">{recording.receipt.waiting > 0 ? text.lead(recording.receipt.waiting) : text.finishing}</p>
      </div>
      <Summary recording={recording} />
      <ReceiptLine recording={recording} />
      <ErrorNote text={error} />
      <div class="bottom">
        <Button name="start" isDisabled={isBusy} onClick={() => void begin()}>
          {text.newSession}
        </Button>
      </div>
    </section>
  );
}

export function CompletedScreen({ recording }: { recording: RecordingView }) {
  const { settings, view, messages } = useUi();
  const text = messages.completed;
  const { run, isBusy, error } = useCommand();
  const status = view?.generation?.status ?? "none";
  const failure = view?.generation?.failure;
  // Another try would fail as well, until the day that the sentence names.
  const isOutOfTokens = failure?.code === "TOKEN_LIMIT_EXCEEDED";
  const { receipt } = recording;
  const isEmpty = receipt.stored === 0;
  return (
    <section class="stack">
      <div class="hero">
        <h2 class="done">
          {receipt.invalid === 0 && <Icon name="check" />}
          {receipt.invalid === 0 ? text.title : text.titleRefused}
        </h2>
        <Title recording={recording} />
      </div>
      <Summary recording={recording} />
      <p class="muted center" data-name="confirmed">
        {isEmpty ? text.empty : text.confirmed(receipt.stored)}
      </p>
      {receipt.invalid > 0 && (
        <p class="note amber">
          {text.refused(receipt.invalid)}{" "}
          <button type="button" class="link" onClick={() => void saveFile(recording.id)}>
            {messages.lost.export}
          </button>
        </p>
      )}
      {!isEmpty && (
        <div class="generation" role="status" data-generation={status}>
          <p>
            {isOutOfTokens ? wordErrorCode(failure.code, failure.values, messages.language) : text.generation[status]}
            {status === "generating" &&
              view?.generation?.percent != null &&
              ` ${Math.round(view.generation.percent)} %`}
          </p>
          {(status === "generating" || status === "pending") && (
            <progress max={100} value={view?.generation?.percent ?? undefined} aria-label={text.generation[status]} />
          )}
        </div>
      )}
      <ErrorNote text={error} />
      <div class="pair bottom">
        <Button name="new" isDisabled={isBusy} onClick={() => void run(command("dismiss", { id: recording.id }))}>
          {text.newSession}
        </Button>
        <a
          class="button primary"
          href={`${webOrigin(settings)}/sessions/${recording.serverId}`}
          target="_blank"
          rel="noreferrer"
        >
          {status === "completed" ? text.openMap : text.openSession}
        </a>
      </div>
    </section>
  );
}

function Summary({ recording }: { recording: RecordingView }) {
  const { messages } = useUi();
  return (
    <Statistics
      items={[
        { value: duration(elapsedMs(recording, Date.now()), messages.language), label: messages.recording.time },
        { value: recording.pages, label: messages.common.visits(recording.pages) },
        { value: recording.highlights, label: messages.common.highlights(recording.highlights) },
      ]}
    />
  );
}
