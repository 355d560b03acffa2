/** What happens when the tokens of the plan are used up. */
import { useQuery } from "@tanstack/react-query";
import { wordErrorCode } from "@trailmind/api";
import { settingsQuery } from "~/api/queries";
import { useLanguage } from "~/i18n";
import { usageQuery } from "./queries";

/** Whether the user wants no maps rather than maps without a model. */
export function useRefusal(): boolean {
  return useQuery(settingsQuery()).data?.settings.when_out_of_tokens === "refuse";
}

/** Why a map was not made, by the code of the failure; with the day on which tokens are renewed if there are none. */
export function useFailureReason(code: string | null | undefined): string {
  const language = useLanguage();
  const resetsAt = useQuery({ ...usageQuery(), enabled: code === "TOKEN_LIMIT_EXCEEDED" }).data?.usage.period_end;
  if (!code || code === "MAP_FAILED") return "";
  return wordErrorCode(code, resetsAt ? { resets_at: resetsAt } : {}, language) ?? "";
}
