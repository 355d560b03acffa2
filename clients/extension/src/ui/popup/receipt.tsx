/** The receipt line, and what holds things up when something does. */

import type { RecordingView } from "../../recording/view";
import { isSlow } from "../../recording/view";
import { command } from "../command";
import { useNow, useShared } from "../shared";
import { SignInForm } from "./signed-out";

export function ReceiptLine({ recording }: { recording: RecordingView }) {
  const { words } = useShared();
  const w = words.recording;
  const { receipt, trouble } = recording;
  const now = useNow(trouble !== null || receipt.waiting > 0);
  const isLate = isSlow(receipt, now);
  const secondsLeft = trouble ? Math.max(0, Math.ceil((trouble.retryAt - now) / 1000)) : 0;
  const parts = [
    [w.seen, receipt.seen],
    [w.stored, receipt.stored],
    [w.excluded, receipt.excluded],
    ...(receipt.invalid > 0 ? ([[w.invalid, receipt.invalid]] as const) : []),
    [w.waiting, receipt.waiting],
  ] as const;
  return (
    <div class={`receipt ${isLate || trouble ? "amber" : ""}`} role="status">
      <p class="receipt-line" role="group" aria-label={w.receipt} data-name="receipt">
        {parts.map(([label, value], index) => (
          <span key={label}>
            {index > 0 && <i aria-hidden="true"> · </i>}
            {label} <b>{value}</b>
          </span>
        ))}
      </p>
      {trouble ? (
        <p class="reason" data-trouble={trouble.kind}>
          {words.trouble[trouble.kind]} {words.trouble.since(trouble.since)}{" "}
          {trouble.kind !== "signed_out" && (
            <>
              {words.trouble.retry(secondsLeft)}{" "}
              {secondsLeft > 0 && (
                <button type="button" class="link" onClick={() => void command("retry", {})}>
                  {words.common.retry}
                </button>
              )}
            </>
          )}
        </p>
      ) : (
        isLate && <p class="reason">{words.trouble.slow}</p>
      )}
      {trouble?.kind === "signed_out" && (
        <details class="sign-in-again">
          <summary>{words.signedOut.signIn}</summary>
          <SignInForm />
        </details>
      )}
    </div>
  );
}
