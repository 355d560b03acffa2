/** A recording is running or paused. */

import { stopwatch } from "@trailmind/api";
import { useState } from "preact/hooks";

import { askToReadPages } from "../../permission";
import { elapsedMs, type RecordingView } from "../../recording/view";
import { command } from "../command";
import { Button, Icon, Numbers, Problem, useCommand } from "../parts";
import { useNow, useShared } from "../shared";
import { ReceiptLine } from "./receipt";
import { TitleField } from "./title-field";

export function RecordingScreen({ recording }: { recording: RecordingView }) {
  const { words } = useShared();
  const w = words.recording;
  const isPaused = recording.status === "paused";
  const now = useNow(!isPaused);
  const { run, isBusy, error } = useCommand();
  const resume = async () => {
    await askToReadPages();
    await run(command("resume", {}));
  };

  return (
    <section class="stack">
      <div class="hero">
        <p class={`status ${isPaused ? "paused" : "live"}`}>
          <span class="dot" aria-hidden="true" />
          {isPaused ? w.paused : w.status[recording.scope]}
        </p>
        <p class="time" role="timer" aria-live="off" data-name="time">
          {stopwatch(elapsedMs(recording, now))}
        </p>
        <Title recording={recording} />
      </div>
      <Numbers
        items={[
          { value: recording.pages, label: words.common.pages },
          { value: recording.highlights, label: words.common.highlights },
          { value: recording.receipt.stored, label: w.stored },
        ]}
      />
      <ReceiptLine recording={recording} />
      <Problem text={error} />
      {recording.pages === 0 && !isPaused && !recording.trouble && <p class="muted center">{w.emptyHint}</p>}
      <div class="pair bottom">
        {isPaused ? (
          <Button kind="primary" name="resume" isDisabled={isBusy} onClick={() => void resume()}>
            {w.resume}
          </Button>
        ) : (
          <Button name="pause" isDisabled={isBusy} onClick={() => void run(command("pause", {}))}>
            {w.pause}
          </Button>
        )}
        <Button
          kind={isPaused ? "plain" : "record"}
          name="stop"
          isDisabled={isBusy}
          onClick={() => void run(command("stop", {}))}
        >
          {w.stop}
        </Button>
      </div>
    </section>
  );
}

export function Title({ recording }: { recording: RecordingView }) {
  const { words } = useShared();
  const [isEdited, setEdited] = useState(false);
  if (isEdited) {
    return (
      <TitleField
        title={recording.title}
        onDone={(title) => {
          setEdited(false);
          if (title && title !== recording.title) void command("rename", { id: recording.id, title });
        }}
      />
    );
  }
  return (
    <button type="button" class="title" title={words.recording.editTitle} onClick={() => setEdited(true)}>
      <span>{recording.title || words.common.untitled}</span>
      <Icon name="pencil" />
      <span class="hidden">{words.recording.editTitle}</span>
    </button>
  );
}
