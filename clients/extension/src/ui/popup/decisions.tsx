/** States in which only the user can say how it goes on. None of them is a dead end. */

import { duration } from "@trailmind/api";
import { useState } from "preact/hooks";
import { askToReadPages } from "../../permission";
import { elapsedMs, type RecordingView } from "../../recording/view";
import { command } from "../command";
import { Button, Numbers, Problem, useCommand } from "../parts";
import { useShared } from "../shared";
import { ReceiptLine } from "./receipt";
import { saveFile } from "./save-file";

export function Interrupted({ recording }: { recording: RecordingView }) {
  const { words } = useShared();
  const w = words.interrupted;
  const { run, isBusy, error } = useCommand();
  const choose = (choice: "continue" | "finish") => void run(command("decide", { id: recording.id, choice }));
  const goOn = async () => {
    await askToReadPages();
    choose("continue");
  };
  return (
    <section class="stack">
      <div class="hero">
        <h2>{w.title}</h2>
        <p class="muted">{w.lead(recording.title || words.common.untitled)}</p>
      </div>
      <Numbers
        items={[
          { value: duration(elapsedMs(recording, Date.now()), words.language), label: words.recording.time },
          { value: recording.pages, label: words.common.pages },
          { value: recording.highlights, label: words.common.highlights },
        ]}
      />
      <ReceiptLine recording={recording} />
      <Problem text={error} />
      <div class="stack bottom">
        <Button kind="primary" name="finish" isDisabled={isBusy} onClick={() => choose("finish")}>
          {w.finish}
        </Button>
        <Button name="continue" isDisabled={isBusy} onClick={() => void goOn()}>
          {w.continue}
        </Button>
        <Delete recording={recording} label={w.delete} />
      </div>
    </section>
  );
}

export function Lost({ recording }: { recording: RecordingView }) {
  const { words } = useShared();
  const w = words.lost;
  const { run, isBusy, error } = useCommand();
  const isRecording = recording.endedAt === null;
  const { waiting } = recording.receipt;
  const choose = (choice: "continue" | "finish") => void run(command("decide", { id: recording.id, choice }));
  return (
    <section class="stack">
      <div class="hero">
        <h2>{w[recording.lostReason ?? "gone"]}</h2>
        <p class="muted">{isRecording ? w.leadRecording(waiting) : waiting > 0 ? w.leadEnded(waiting) : w.nothing}</p>
      </div>
      <ReceiptLine recording={recording} />
      <Problem text={error} />
      <div class="stack bottom">
        {isRecording && (
          <Button kind="primary" name="continue" isDisabled={isBusy} onClick={() => choose("continue")}>
            {w.continue}
          </Button>
        )}
        {(isRecording || waiting > 0) && (
          <Button
            kind={isRecording ? "plain" : "primary"}
            name="finish"
            isDisabled={isBusy}
            onClick={() => choose("finish")}
          >
            {w.finish}
          </Button>
        )}
        {waiting > 0 && (
          <Button name="export" onClick={() => void saveFile(recording.id)}>
            {w.export}
          </Button>
        )}
        {waiting > 0 || isRecording ? (
          <Delete recording={recording} label={w.delete} />
        ) : (
          <Button
            kind="primary"
            name="dismiss"
            onClick={() => void run(command("decide", { id: recording.id, choice: "delete" }))}
          >
            {words.common.dismiss}
          </Button>
        )}
      </div>
    </section>
  );
}

/** Deleting cannot be undone, so it asks; here, not in a dialog of the browser. */
function Delete({ recording, label }: { recording: RecordingView; label: string }) {
  const { words } = useShared();
  const [isAsking, setAsking] = useState(false);
  const { run, isBusy, error } = useCommand();
  if (!isAsking) {
    return (
      <Button kind="quiet" name="delete" onClick={() => setAsking(true)}>
        {label}
      </Button>
    );
  }
  return (
    <>
      <div class="pair">
        <Button name="keep" onClick={() => setAsking(false)}>
          {words.common.cancel}
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
      <Problem text={error} />
    </>
  );
}
