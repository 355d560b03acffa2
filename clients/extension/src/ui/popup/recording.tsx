/** The screen of a running or paused recording. */

import { sessionName, stopwatch } from "@trailmind/api";
import { useState } from "preact/hooks";

import { requestPagePermission } from "../../permission";
import { elapsedMs, type RecordingView } from "../../recording/view";
import { command } from "../command";
import { useNow, useUi } from "../context";
import { Button, ErrorNote, Icon, Statistics, useCommand } from "../parts";
import { ReceiptLine } from "./receipt";
import { TitleField } from "./title-field";
import "./recording.css";

export function RecordingScreen({ recording }: { recording: RecordingView }) {
  const { messages } = useUi();
  const text = messages.recording;
  const isPaused = recording.status === "paused";
  const now = useNow(!isPaused);
  const { run, isBusy, error } = useCommand();
  const resume = async () => {
    await requestPagePermission();
    await run(command("resume", {}));
  };

  return (
    <section class="stack">
      <div class="hero">
        <p class={`status ${isPaused ? "paused" : "live"}`}>
          <span class="dot" aria-hidden="true" />
          {isPaused ? text.paused : text.status[recording.scope]}
        </p>
        <p class="time" role="timer" aria-live="off" data-name="time">
          {stopwatch(elapsedMs(recording, now))}
        </p>
        <Title recording={recording} />
      </div>
      <Statistics
        items={[
          { value: recording.pages, label: messages.common.visits(recording.pages) },
          { value: recording.highlights, label: messages.common.highlights(recording.highlights) },
          { value: recording.receipt.stored, label: text.stored },
        ]}
      />
      <ReceiptLine recording={recording} />
      <ErrorNote text={error} />
      {recording.pages === 0 && !isPaused && !recording.sendError && <p class="muted center">{text.emptyHint}</p>}
      <div class="pair bottom">
        {isPaused ? (
          <Button kind="primary" name="resume" isDisabled={isBusy} onClick={() => void resume()}>
            {text.resume}
          </Button>
        ) : (
          <Button name="pause" isDisabled={isBusy} onClick={() => void run(command("pause", {}))}>
            {text.pause}
          </Button>
        )}
        {/* Never disabled: who wants to stop does not wait until all tabs have heard of a pause or its end. */}
        <Button kind={isPaused ? "plain" : "record"} name="stop" onClick={() => void run(command("stop", {}))}>
          {text.stop}
        </Button>
      </div>
    </section>
  );
}

export function Title({ recording }: { recording: RecordingView }) {
  const { messages, view } = useUi();
  const [isEdited, setEdited] = useState(false);
  const generation = view?.generation?.recordingId === recording.id ? view.generation : null;
  const shown =
    recording.title || sessionName({ title: generation?.title, startedAt: recording.startedAt }, messages.language);
  if (isEdited) {
    return (
      <TitleField
        title={shown}
        onDone={(title) => {
          setEdited(false);
          if (title && title !== shown) void command("rename", { id: recording.id, title });
        }}
      />
    );
  }
  return (
    <button type="button" class="title" title={messages.recording.editTitle} onClick={() => setEdited(true)}>
      <span>{shown}</span>
      <Icon name="pencil" />
      <span class="hidden">{messages.recording.editTitle}</span>
    </button>
  );
}
