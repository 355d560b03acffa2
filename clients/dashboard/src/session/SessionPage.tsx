import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { toApiError, unwrap } from "@trailmind/api";
import { SearchX } from "lucide-react";
import { type ReactNode, Suspense, useCallback, useState } from "react";
import { api } from "~/api/client";
import type { Session } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { sessionName } from "~/sessions/session-name";
import { EmptyState } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { lazyPart } from "~/ui/lazyPart";
import { useMedia } from "~/ui/media";
import { Split } from "~/ui/Split";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { Evidence } from "./Evidence";
import { type Edits, useEdits } from "./edits";
import { Header } from "./Header";
import { MapPane } from "./MapPane";
import type { PanelName } from "./panel-name";
import { SessionBottomBar, ToSessions } from "./SessionBottomBar";
import { type SessionSearch, type View, WIDE } from "./search-params";
import { Timeline } from "./Timeline";
import { useEvidenceAfterClick } from "./useEvidenceAfterClick";
import { useSessionActions } from "./useSessionActions";
import { useSessionData } from "./useSessionData";
import { useUndoKeys } from "./useUndoKeys";
import "./session.css";

const Panels = lazyPart(() => import("./Panels"), "Panels");

/** How long a closing dialog needs to give the focus back. */
const FOCUS_RETURN_MS = 200;

type SessionData = ReturnType<typeof useSessionData>;

export function SessionPage() {
  const { id } = useParams({ from: "/frame/sessions/$id" });
  const search = useSearch({ from: "/frame/sessions/$id" });
  const isWide = useMedia(WIDE);
  const edits = useEdits(id);
  const data = useSessionData(id, search.view, isWide, edits);
  useUndoKeys(edits);

  if (data.session.isPending)
    return (
      <NotLoaded>
        <Skeletons rows={4} height={96} />
      </NotLoaded>
    );
  if (!data.session.data)
    return <SessionError id={id} error={data.session.error} onRetry={() => void data.session.refetch()} />;
  return <LoadedSession session={data.session.data} data={data} search={search} isWide={isWide} edits={edits} />;
}

/** A page without its session: a phone has the way back that a loaded page has. */
function NotLoaded({ children }: { children: ReactNode }) {
  const t = useMessages();
  const isPhone = useMedia("(max-width: 767px)");
  return (
    <>
      <div className="page">{children}</div>
      {isPhone && (
        <nav className="bottom-bar" aria-label={t.nav.main}>
          <ToSessions />
        </nav>
      )}
    </>
  );
}

function SessionError({ id, error, onRetry }: { id: string; error: unknown; onRetry: () => void }) {
  const t = useMessages();
  const restore = useMutation({
    mutationFn: () => unwrap(api.POST("/v1/sessions/{session_id}/restore", { params: { path: { session_id: id } } })),
    onSuccess: () => {
      toast(t.sessions.restored);
      onRetry();
    },
    onError: (failure) =>
      toast(toApiError(failure).kind === "missing" ? t.session.notRestored : errorMessage(failure, t)),
  });
  const isMissing = ["missing", "forbidden", "bad_request"].includes(toApiError(error).kind);
  return (
    <NotLoaded>
      {isMissing ? (
        <EmptyState
          level={1}
          icon={<SearchX className="figure" size={32} strokeWidth={1.5} />}
          title={t.session.notFound}
          actions={
            <>
              <Link className="button primary" to="/sessions">
                {t.goHome}
              </Link>
              <button type="button" className="button" disabled={restore.isPending} onClick={() => restore.mutate()}>
                {t.session.restore}
              </button>
            </>
          }
        >
          {t.session.notFoundHint}
        </EmptyState>
      ) : (
        <ErrorState level={1} error={error} onRetry={onRetry} />
      )}
    </NotLoaded>
  );
}

function LoadedSession({
  session,
  data,
  search,
  isWide,
  edits,
}: {
  session: Session;
  data: SessionData;
  search: SessionSearch;
  isWide: boolean;
  edits: Edits;
}) {
  const t = useMessages();
  const language = useLanguage();
  const isPhone = useMedia("(max-width: 767px)");
  const [panel, setPanel] = useState<PanelName>(null);
  const navigate = useNavigate({ from: "/sessions/$id" });
  const set = useCallback(
    (change: Partial<SessionSearch>, replace = true) =>
      void navigate({ search: (old: SessionSearch) => ({ ...old, ...change }), replace }),
    [navigate],
  );
  const select = useCallback((node: string | null) => set({ node: node ?? undefined }), [set]);
  const focusTopic = (topic: string | null) => set({ topic: topic ?? undefined });
  const setView = (next: View) => set({ view: next }, false);

  const { model } = data;
  const mindmap = data.mindmap.data ?? null;
  const view = effectiveView(search.view, isWide);
  // A link from the search contains the id of a page, which may differ from the id of its node.
  const selected = search.node ? (model?.byPage.get(search.node)?.id ?? edits.idOf(search.node)) : null;
  const node = selected ? (model?.byId.get(selected) ?? null) : null;
  const [renamingId, setRenamingId] = useState<string | null>(null);
  const [isTitleEdited, setTitleEdited] = useState(false);
  // The palette gives the focus back when it closes; the field takes it after that.
  const editTitle = useCallback(() => void setTimeout(() => setTitleEdited(true), FOCUS_RETURN_MS), []);
  useSessionActions(session, mindmap !== null, setPanel, editTitle);
  const hasEvidence = useEvidenceAfterClick(node !== null && model !== null, renamingId !== null);
  const timelinePane = (
    <section className="pane" aria-label={t.timeline.title}>
      <TimelinePane data={data} selected={selected} topic={search.topic} onSelect={select} onTopic={focusTopic} />
    </section>
  );
  const mapPane = (
    <section className="pane" aria-label={t.map.title}>
      <MapPane
        session={session}
        query={data.mindmap}
        model={model}
        isUnreadable={data.isUnreadable}
        progress={data.progress}
        search={{ ...search, node: selected ?? undefined }}
        set={set}
        edits={edits}
        onPanel={setPanel}
        renamingId={renamingId}
        onRename={setRenamingId}
      />
    </section>
  );
  const bodies: Record<View, ReactNode> = {
    split: <Split label={t.session.divider} left={timelinePane} right={mapPane} />,
    timeline: timelinePane,
    map: mapPane,
  };
  return (
    <div className="session">
      <title>{`${sessionName(session, language)} · ${t.brand}`}</title>
      <Header
        session={session}
        model={model}
        view={view}
        isWide={isWide}
        onView={setView}
        onPanel={setPanel}
        edits={edits}
        version={mindmap?.version ?? null}
        isTitleEdited={isTitleEdited}
        onEditTitle={setTitleEdited}
      />
      <div className={`session-body ${hasEvidence ? "with-evidence" : ""}`}>
        {bodies[view]}
        {hasEvidence && node && model && (
          <Evidence
            key={node.id}
            node={node}
            model={model}
            version={mindmap?.version ?? 0}
            onSelect={select}
            onFocus={focusTopic}
            focused={search.topic ?? null}
            edits={edits}
            owner={{ kind: "session", id: session.id }}
          />
        )}
      </div>
      {isPhone && (
        <SessionBottomBar view={view} edits={edits} hasMap={mindmap !== null} onView={setView} onPanel={setPanel} />
      )}
      <Suspense fallback={null}>
        {panel && (
          <Panels
            name={panel}
            session={session}
            model={model}
            mindmap={mindmap}
            language={language}
            onClose={() => setPanel(null)}
            onSelect={select}
            edits={edits}
          />
        )}
      </Suspense>
      <span className="sr" role="status">
        {session.session_status !== "completed" ? t.session.moved(t.status[session.session_status]) : ""}
      </span>
    </div>
  );
}

function TimelinePane({
  data: { timeline, model, isLive },
  selected,
  topic,
  onSelect,
  onTopic,
}: {
  data: SessionData;
  selected: string | null;
  topic: string | undefined;
  onSelect: (node: string | null) => void;
  onTopic: (topic: string | null) => void;
}) {
  if (!timeline.data)
    return timeline.isError ? (
      <ErrorState error={timeline.error} onRetry={() => void timeline.refetch()} />
    ) : (
      <Skeletons rows={8} height={52} />
    );
  return (
    <Timeline
      timeline={timeline.data}
      model={model}
      selected={selected}
      topic={topic ?? null}
      isLive={isLive}
      onSelect={onSelect}
      onTopic={onTopic}
    />
  );
}

/** Without space for two panes, the split view shows the map. */
function effectiveView(view: View | undefined, isWide: boolean): View {
  if (isWide) return view ?? "split";
  return view === "timeline" ? "timeline" : "map";
}
