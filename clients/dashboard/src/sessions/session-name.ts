import type { Session } from "~/api/queries";
import type { Messages } from "~/i18n";

/** The title of a session. A session without a subject has none: its name is in the language of the screen. */
export function sessionName(session: Pick<Session, "title" | "session_status">, t: Messages): string {
  return session.title || (session.session_status === "completed" ? t.common.emptySession : t.common.untitled);
}
