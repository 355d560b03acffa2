import { Link, useNavigate } from "@tanstack/react-router";
import { duration, relativeTime, shortDate, timeRange } from "@trailmind/api";
import { Ellipsis, ListTree, Map as MapIcon, Trash2 } from "lucide-react";
import { isMoving, type Session } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { IconButton, StatusBadge } from "~/ui/basics";
import { Menu } from "~/ui/Menu";
import { sessionName } from "./session-name";
import { Thumbnail } from "./Thumbnail";
import "./SessionCard.css";

export function SessionCard({
  session,
  isChecked,
  onCheck,
  onDelete,
}: {
  session: Session;
  isChecked: boolean;
  onCheck: (isChecked: boolean) => void;
  onDelete: () => void;
}) {
  // A session with one topic has it as its title.
  const keywords = (session.keywords ?? []).slice(0, 5).filter((word) => word !== session.title);
  const t = useMessages();
  const language = useLanguage();
  const navigate = useNavigate();
  const title = sessionName(session, language);
  const startedAt = new Date(session.started_at);
  const endedAt = session.ended_at ? new Date(session.ended_at) : null;
  const now = new Date();
  const isToday = now.getTime() - startedAt.getTime() < 86_400_000;
  const go = (view: "timeline" | "map") =>
    void navigate({ to: "/sessions/$id", params: { id: session.id }, search: { view } });
  return (
    <li className={`card ${isChecked ? "checked" : ""}`} data-session={session.id}>
      <label className="card-check">
        <input
          type="checkbox"
          aria-label={t.sessions.choose(title)}
          checked={isChecked}
          onChange={(e) => onCheck(e.target.checked)}
        />
      </label>
      <Thumbnail
        owner={{ kind: "session", id: session.id }}
        updatedAt={session.updated_at}
        mayHaveMap={!isMoving(session.session_status) && (session.page_count ?? 0) > 0}
      />
      <div className="grow">
        <div className="row">
          <Link className="card-title ellipsis" to="/sessions/$id" params={{ id: session.id }}>
            {title}
          </Link>
          {session.session_status !== "completed" && <StatusBadge status={session.session_status} />}
        </div>
        <div className="card-meta tnum">
          <time dateTime={session.started_at} title={startedAt.toLocaleString(language)}>
            {isToday ? relativeTime(startedAt, now, language) : shortDate(startedAt, now, language)} ·{" "}
            {timeRange(startedAt, endedAt, session.dwell_ms ?? 0, language)}
          </time>
          {Boolean(session.dwell_ms) && <span>{t.sessions.reading(duration(session.dwell_ms ?? 0, language))}</span>}
          {typeof session.page_count === "number" && <span>{t.sessions.pages(session.page_count)}</span>}
          {Boolean(session.highlight_count) && <span>{t.sessions.highlights(session.highlight_count ?? 0)}</span>}
        </div>
        {session.deletes_at && (
          <p className="small amber-text">
            {t.sessions.deletesOn(shortDate(new Date(session.deletes_at), now, language))}
          </p>
        )}
        {session.session_status === "failed" && <p className="field-error">{t.sessions.failed}</p>}
        {keywords.length > 0 && (
          <div className="tags">
            {keywords.map((word) => (
              <span key={word}>{word}</span>
            ))}
          </div>
        )}
      </div>
      <Menu
        trigger={
          <IconButton label={t.sessions.menu(title)}>
            <Ellipsis size={18} />
          </IconButton>
        }
        entries={[
          { kind: "item", label: t.nav.timeline, icon: <ListTree size={16} />, onPick: () => go("timeline") },
          { kind: "item", label: t.nav.map, icon: <MapIcon size={16} />, onPick: () => go("map") },
          { kind: "line" },
          { kind: "item", label: t.common.delete, icon: <Trash2 size={16} />, isDanger: true, onPick: onDelete },
        ]}
      />
    </li>
  );
}
