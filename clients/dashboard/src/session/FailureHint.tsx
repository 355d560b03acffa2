import { useFailureReason } from "~/billing/tokens";
import { useMessages } from "~/i18n";

/** Why a map could not be drawn, and what to do. Without tokens another try fails, too. */
export function FailureHint({ code }: { code: string | null | undefined }) {
  const t = useMessages();
  const reason = useFailureReason(code);
  return (
    <>
      {reason} {code !== "TOKEN_LIMIT_EXCEEDED" && t.map.failedHint}
    </>
  );
}
