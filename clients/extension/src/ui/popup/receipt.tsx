/** The counts of a recording, and why events are waiting. */

import type { RecordingView } from "../../recording/view";
import { isSlow } from "../../recording/view";
import { command } from "../command";
import { useNow, useUi } from "../context";
import { SignInForm } from "./sign-in-screen";
import "./receipt.css";

export function ReceiptLine({ recording }: { recording: RecordingView }) {
  const { messages } = useUi();
  const text = messages.recording;
  const { receipt, sendError } = recording;
  const now = useNow(sendError !== null || receipt.waiting > 0);
  const isLate = isSlow(receipt, now);
  const secondsLeft = sendError ? Math.max(0, Math.ceil((sendError.retryAt - now) / 1000)) : 0;
  const parts = [
    [text.seen, receipt.seen],
    [text.stored, receipt.stored],
    [text.excluded, receipt.excluded],
    ...(receipt.invalid > 0 ? ([[text.invalid, receipt.invalid]] as const) : []),
    [text.waiting, receipt.waiting],
  ] as const;
  return (
    <div class={`receipt ${isLate || sendError ? "amber" : ""}`} role="status">
      <p class="receipt-line" role="group" aria-label={text.receipt} data-name="receipt">
        {parts.map(([label, value], index) => (
          <span key={label}>
            {index > 0 && <i aria-hidden="true"> · </i>}
            {label} <b>{value}</b>
          </span>
        ))}
      </p>
      {sendError ? (
        <p class="reason" data-send-error={sendError.kind}>
          {messages.sendErrors[sendError.kind]} {messages.sendErrors.since(sendError.since)}{" "}
          {sendError.kind !== "signed_out" && (
            <>
              {messages.sendErrors.retry(secondsLeft)}{" "}
              {secondsLeft > 0 && (
                <button type="button" class="link" onClick={() => void command("retry", {})}>
                  {messages.common.retry}
                </button>
              )}
            </>
          )}
        </p>
      ) : (
        isLate && <p class="reason">{messages.sendErrors.slow}</p>
      )}
      {sendError?.kind === "signed_out" && (
        <details class="sign-in-again">
          <summary>{messages.signedOut.signIn}</summary>
          <SignInForm />
        </details>
      )}
    </div>
  );
}
