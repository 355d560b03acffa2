import { toApiError } from "@trailmind/api";
import type { Messages } from "~/i18n";

/** The user's message for a failure that belongs to no form field. */
export function errorMessage(error: unknown, t: Messages): string {
  const problem = toApiError(error);
  const [title, hint] = t.errors[problem.kind] ?? ["", ""];
  return problem.retryAfterS ? `${title}. ${t.errorWait(problem.retryAfterS)}.` : `${title}. ${hint}`;
}
