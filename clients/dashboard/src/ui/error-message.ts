import { toApiError } from "@trailmind/api";
import type { Messages } from "~/i18n";

/** The sentence for a failure that no field is to blame for. */
export function errorMessage(error: unknown, t: Messages): string {
  const problem = toApiError(error);
  const [title, hint] = t.errors[problem.kind] ?? ["", ""];
  return problem.retryAfterS ? `${title}. ${t.errorWait(problem.retryAfterS)}.` : `${title}. ${hint}`;
}
