/** The ten newest sessions, with editable titles. */

import { dateTime, sessionName } from "@trailmind/api";
import { useState } from "preact/hooks";

import type { RecentSession } from "../../protocol";
import { webOrigin } from "../../settings";
import { command } from "../command";
import { useUi } from "../context";
import { ErrorNote, Icon, useCommand } from "../parts";
import { TitleField } from "./title-field";
import "./recent.css";

interface RecentProps {
  sessions: RecentSession[] | null;
  onChange: (sessions: RecentSession[]) => void;
  onBack: () => void;
}

export function RecentSessions({ sessions, onChange, onBack }: RecentProps) {
  const { settings, messages } = useUi();
  const [edited, setEdited] = useState<string | null>(null);
  const { run, error } = useCommand();
  const web = webOrigin(settings);

  const rename = async (session: RecentSession, title: string) => {
    setEdited(null);
    if (title === session.title || title === "") return;
    const response = await run(command("renameRecent", { sessionId: session.id, title }));
    if (response.ok && sessions) onChange(sessions.map((s) => (s.id === session.id ? { ...s, title } : s)));
  };

  return (
    <section class="stack">
      <div class="row">
        <button type="button" class="icon-button" aria-label={messages.common.back} onClick={onBack}>
          <Icon name="back" />
        </button>
        <h2>{messages.recent.title}</h2>
      </div>
      <ErrorNote text={error} />
      {sessions === null && <p class="muted">{messages.common.loading}</p>}
      {sessions?.length === 0 && <p class="muted">{messages.recent.empty}</p>}
      <ul class="list">
        {sessions?.map((session) => (
          <li key={session.id}>
            {edited === session.id ? (
              <TitleField title={session.title} onDone={(title) => void rename(session, title)} />
            ) : (
              <>
                <a href={`${web}/sessions/${session.id}`} target="_blank" rel="noreferrer">
                  <span class="card-title">{sessionName(session, messages.language)}</span>
                  <span class="muted">
                    {dateTime(session.startedAt, messages.language)} ·{" "}
                    {messages.recent.status[session.status] ?? session.status}
                  </span>
                </a>
                <button
                  type="button"
                  class="icon-button"
                  aria-label={messages.recent.rename(sessionName(session, messages.language))}
                  onClick={() => setEdited(session.id)}
                >
                  <Icon name="pencil" />
                </button>
              </>
            )}
          </li>
        ))}
      </ul>
      <a class="link" href={`${web}/sessions`} target="_blank" rel="noreferrer">
        {messages.recent.all}
      </a>
    </section>
  );
}
