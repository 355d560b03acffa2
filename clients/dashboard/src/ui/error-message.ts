import { toApiError, wordError } from "@trailmind/api";
import { language, type Messages } from "~/i18n";

/** The user's message for a failure that belongs to no form field. The server's errors are worded by their code. */
export function errorMessage(error: unknown, t: Messages): string {
  const problem = toApiError(error);
  const [title, hint] = t.errors[problem.kind] ?? ["", ""];
  const worded = wordError(problem, language());
  if (problem.kind === "offline") return `${title}. ${t.notReached}`;
  if (problem.retryAfterS) return `${title}. ${t.errorWait(problem.retryAfterS)}.`;
  return worded ?? `${title}. ${hint}`;
}
