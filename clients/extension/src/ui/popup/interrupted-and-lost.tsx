/** The screens of interrupted and lost recordings, which need a decision of the user. */

import { duration, sessionName } from "@trailmind/api";
import { useState } from "preact/hooks";
import { requestPagePermission } from "../../permission";
import { elapsedMs, type RecordingView } from "../../recording/view";
import { command } from "../command";
import { useUi } from "../context";
import { Button, ErrorNote, Statistics, useCommand } from "../parts";
import { ReceiptLine } from "./receipt";
import { saveFile } from "./save-file";

export function InterruptedScreen({ recording }: { recording: RecordingView }) {
  const { messages } = useUi();
  const text = messages.interrupted;
  const { run, isBusy, error } = useCommand();
  const choose = (choice: "continue" | "finish") => void run(command("decide", { id: recording.id, choice }));
  const continueRecording = async () => {
    await requestPagePermission();
    choose("continue");
  };
  return (
    <section class="stack">
      <div class="hero">
        <h2>{text.title}</h2>
        <p class="muted">{text.lead(sessionName(recording, messages.language))}</p>
      </div>
      <Statistics
        items={[
          { value: duration(elapsedMs(recording, Date.now()), messages.language), label: messages.recording.time },
          { value: recording.pages, label: messages.common.visits(recording.pages) },
          { value: recording.highlights, label: messages.common.highlights(recording.highlights) },
        ]}
      />
      <ReceiptLine recording={recording} />
      <ErrorNote text={error} />
      <div class="stack bottom">
        <Button kind="primary" name="finish" isDisabled={isBusy} onClick={() => choose("finish")}>
          {text.finish}
        </Button>
        <Button name="continue" isDisabled={isBusy} onClick={() => void continueRecording()}>
          {text.continue}
        </Button>
        <DeleteButton recording={recording} label={text.delete} />
      </div>
    </section>
  );
}

export function LostScreen({ recording }: { recording: RecordingView }) {
  const { messages } = useUi();
  const text = messages.lost;
  const { run, isBusy, error } = useCommand();
  const isRecording = recording.endedAt === null;
  const { waiting } = recording.receipt;
  const choose = (choice: "continue" | "finish") => void run(command("decide", { id: recording.id, choice }));
  return (
    <section class="stack">
      <div class="hero">
        <h2>{text[recording.lostReason ?? "gone"]}</h2>
        <p class="muted">
          {isRecording ? text.leadRecording(waiting) : waiting > 0 ? text.leadEnded(waiting) : text.nothing}
        </p>
      </div>
      <ReceiptLine recording={recording} />
      <ErrorNote text={error} />
      <div class="stack bottom">
        {isRecording && (
          <Button kind="primary" name="continue" isDisabled={isBusy} onClick={() => choose("continue")}>
            {text.continue}
          </Button>
        )}
        {(isRecording || waiting > 0) && (
          <Button
            kind={isRecording ? "plain" : "primary"}
            name="finish"
            isDisabled={isBusy}
            onClick={() => choose("finish")}
          >
            {text.finish}
          </Button>
        )}
        {waiting > 0 && (
          <Button name="export" onClick={() => void saveFile(recording.id)}>
            {text.export}
          </Button>
        )}
        {waiting > 0 || isRecording ? (
          <DeleteButton recording={recording} label={text.delete} />
        ) : (
          <Button
            kind="primary"
            name="dismiss"
            onClick={() => void run(command("decide", { id: recording.id, choice: "delete" }))}
          >
            {messages.common.dismiss}
          </Button>
        )}
      </div>
    </section>
  );
}

/** Asks for confirmation in the popup, because a deletion cannot be undone. */
function DeleteButton({ recording, label }: { recording: RecordingView; label: string }) {
  const { messages } = useUi();
  const [isConfirming, setConfirming] = useState(false);
  const { run, isBusy, error } = useCommand();
  if (!isConfirming) {
    return (
      <Button kind="quiet" name="delete" onClick={() => setConfirming(true)}>
        {label}
      </Button>
    );
  }
  return (
    <>
      <div class="pair">
        <Button name="keep" onClick={() => setConfirming(false)}>
          {messages.common.cancel}
        </Button>
        <Button
          kind="danger"
          name="delete-now"
          isDisabled={isBusy}
          onClick={() => void run(command("decide", { id: recording.id, choice: "delete" }))}
        >
          {label}
        </Button>
      </div>
      <ErrorNote text={error} />
    </>
  );
}
