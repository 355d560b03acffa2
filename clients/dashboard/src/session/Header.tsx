import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { duration, shortDate, timeRange, unwrap } from "@trailmind/api";
import {
  ArrowLeft,
  Columns2,
  Ellipsis,
  ListTree,
  Map as MapIcon,
  Pause,
  Pencil,
  Play,
  Share2,
  Square,
  Trash2,
} from "lucide-react";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { api } from "~/api/client";
import { isOpen, receiptQuery, type Session, serverQuery } from "~/api/queries";
import { storeReply } from "~/api/refresh";
import { useLanguage, useMessages } from "~/i18n";
import type { MapModel } from "~/map/model";
import type { View } from "~/session/search-params";
import { sessionName } from "~/sessions/session-name";
import { useDelete } from "~/sessions/useDelete";
import { IconButton, Segmented, StatusBadge } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { Menu } from "~/ui/Menu";
import { toast } from "~/ui/toast";
import { ExportMenu } from "./ExportMenu";
import type { Edits } from "./edits";
import { FORMATS, hasFeature } from "./features";
import type { PanelName } from "./panel-name";
import { useLocalOnly } from "./useLocalOnly";
import "./Header.css";

export function Header(props: {
  session: Session;
  model: MapModel | null;
  view: View;
  isWide: boolean;
  onView: (view: View) => void;
  onPanel: (panel: PanelName) => void;
  edits: Edits;
  version: number | null;
  isTitleEdited: boolean;
  onEditTitle: (isEdited: boolean) => void;
}) {
  const { session, model, view, isWide, onView, onPanel } = props;
  const t = useMessages();
  const language = useLanguage();
  const navigate = useNavigate();
  const remove = useDelete(() => void navigate({ to: "/sessions" }));
  const { data: facts } = useQuery(receiptQuery(session.id, isOpen(session.session_status)));
  const server = useQuery(serverQuery());
  const setLocalOnly = useLocalOnly(session.id);
  const canShare = hasFeature("/v1/sessions/{session_id}/shares");
  const canExport = hasFeature("/v1/sessions/{session_id}/export");
  const startedAt = new Date(session.started_at);
  const endedAt = session.ended_at ? new Date(session.ended_at) : null;
  const numbers: [string, string][] = [
    [t.session.reading, duration(session.dwell_ms ?? 0, language)],
    [t.session.pages, (session.page_count ?? 0).toLocaleString(language)],
    [t.session.highlights, (session.highlight_count ?? 0).toLocaleString(language)],
  ];
  return (
    <header className="session-head">
      <div className="row session-top">
        <Link to="/sessions" className="icon-button back" aria-label={t.session.back} title={t.session.back}>
          <ArrowLeft size={18} />
        </Link>
        <div className="grow">
          <Title session={session} isEditing={props.isTitleEdited} onEdit={props.onEditTitle} />
          <p className="session-meta small muted tnum">
            <time dateTime={session.started_at}>
              {shortDate(startedAt, new Date(), language)}{" "}
              {timeRange(startedAt, endedAt, session.dwell_ms ?? 0, language)}
            </time>
            {numbers.map(([label, value]) => (
              <span key={label}>
                {label} <b>{value}</b>
              </span>
            ))}
            {facts && (
              <button type="button" className="link wide-only" onClick={() => onPanel("receipt")}>
                {t.receipt.line(facts.seen, facts.stored, facts.excluded)}
              </button>
            )}
            {session.deletes_at && (
              <span className="amber-text">
                {t.sessions.deletesOn(shortDate(new Date(session.deletes_at), new Date(), language))}
              </span>
            )}
            {session.local_only && <span className="badge">{t.consent.localBadge}</span>}
            {model && model.document.left_out.length > 0 && (
              <button type="button" className="link wide-only" onClick={() => onPanel("left-out")}>
                {t.leftOut.count(model.document.left_out.length)}
              </button>
            )}
          </p>
        </div>
        <StatusActions session={session} />
        <div className="session-views">
          <Segmented
            label={t.session.views}
            value={view}
            onChange={onView}
            options={[
              ...(isWide
                ? [{ value: "split" as const, label: t.session.split, icon: <Columns2 size={15} aria-hidden /> }]
                : []),
              { value: "timeline", label: t.timeline.title, icon: <ListTree size={15} aria-hidden /> },
              { value: "map", label: t.map.title, icon: <MapIcon size={15} aria-hidden /> },
            ]}
          />
        </div>
        {canShare && (
          <IconButton label={t.share.title} onClick={() => onPanel("share")}>
            <Share2 size={17} />
          </IconButton>
        )}
        {canExport && <ExportMenu owner={{ kind: "session", id: session.id }} formats={FORMATS} />}
        <Menu
          trigger={
            <IconButton label={t.common.moreOfSession}>
              <Ellipsis size={18} />
            </IconButton>
          }
          entries={[
            {
              kind: "item",
              label: t.search.inSession,
              onPick: () => void navigate({ to: "/search", search: { session: session.id } }),
            },
            { kind: "item", label: t.score.title, onPick: () => onPanel("score") },
            { kind: "item", label: t.receipt.title, onPick: () => onPanel("receipt") },
            { kind: "item", label: t.disclosure.title, onPick: () => onPanel("disclosures") },
            ...(server.data?.uses_models
              ? [
                  {
                    kind: "item",
                    label: session.local_only ? t.consent.allowHere : t.consent.localOnly,
                    onPick: () => setLocalOnly.mutate(!session.local_only),
                  } as const,
                ]
              : []),
            { kind: "line" },
            {
              kind: "item",
              label: t.common.delete,
              icon: <Trash2 size={16} />,
              isDanger: true,
              onPick: () => remove.mutate(session),
            },
          ]}
        />
      </div>
      {(session.summary || model?.document.summary) && (
        <p className="session-summary">{session.summary || model?.document.summary}</p>
      )}
    </header>
  );
}

function Title(props: { session: Session; isEditing: boolean; onEdit: (isEdited: boolean) => void }) {
  const { session, isEditing, onEdit } = props;
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
  const [draft, setDraft] = useState<string | null>(null);
  const isDone = useRef(false);
  const rename = useMutation({
    mutationFn: (title: string) =>
      unwrap(api.PATCH("/v1/sessions/{session_id}", { params: { path: { session_id: session.id } }, body: { title } })),
    onMutate: (title) =>
      client.setQueryData(["session", session.id], (old: Session | undefined) => (old ? { ...old, title } : old)),
    onError: (error) => toast(`${t.session.titleFailed} ${errorMessage(error, t)}`),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: ["session", session.id] });
      void client.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  const finish = (isKept: boolean) => {
    if (isDone.current) return;
    isDone.current = true;
    const title = draft?.trim() ?? "";
    if (isKept && title && title !== session.title) rename.mutate(title);
    setDraft(null);
    onEdit(false);
  };
  const begin = useEffectEvent(() => {
    isDone.current = false;
    setDraft(session.title ?? "");
  });
  useEffect(() => {
    if (isEditing) begin();
  }, [isEditing]);
  if (draft !== null)
    return (
      <input
        className="input compact title-input"
        aria-label={t.session.title}
        maxLength={200}
        value={draft}
        autoFocus
        onFocus={(e) => e.currentTarget.select()}
        onChange={(e) => setDraft(e.target.value)}
        onBlur={() => finish(true)}
        onKeyDown={(e) => {
          if (e.key === "Enter") finish(true);
          if (e.key === "Escape") finish(false);
        }}
      />
    );
  return (
    <h1 className="row session-title">
      <span className="ellipsis" title={session.title ?? ""}>
        {sessionName(session, language)}
      </span>
      <IconButton label={t.session.edit} onClick={() => onEdit(true)}>
        <Pencil size={15} />
      </IconButton>
    </h1>
  );
}

function StatusActions({ session }: { session: Session }) {
  const t = useMessages();
  const client = useQueryClient();
  const path = { params: { path: { session_id: session.id } } };
  const act = useMutation({
    mutationFn: (action: "pause" | "resume" | "stop") =>
      unwrap(
        action === "stop"
          ? api.POST("/v1/sessions/{session_id}/stop", path)
          : action === "pause"
            ? api.PATCH("/v1/sessions/{session_id}/pause", path)
            : api.PATCH("/v1/sessions/{session_id}/resume", path),
      ),
    onSuccess: (reply) => storeReply<Session>(client, ["session", session.id], reply.session),
    onError: (error) => toast(errorMessage(error, t)),
    onSettled: () => void client.invalidateQueries({ queryKey: ["mindmap", session.id] }),
  });
  if (session.session_status === "completed") return null;
  return (
    <div className="row session-live">
      <StatusBadge status={session.session_status} />
      {isOpen(session.session_status) && (
        <>
          {session.session_status === "recording" ? (
            <IconButton label={t.session.pause} disabled={act.isPending} onClick={() => act.mutate("pause")}>
              <Pause size={17} />
            </IconButton>
          ) : (
            <IconButton label={t.session.resume} disabled={act.isPending} onClick={() => act.mutate("resume")}>
              <Play size={17} />
            </IconButton>
          )}
          <IconButton label={t.session.stop} disabled={act.isPending} onClick={() => act.mutate("stop")}>
            <Square size={15} />
          </IconButton>
        </>
      )}
    </div>
  );
}
