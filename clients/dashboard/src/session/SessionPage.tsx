import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { toApiError } from "@trailmind/api";
import { ArrowLeft, Ellipsis, ListTree, Map as MapIcon, SearchX } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useEffectEvent, useMemo, useState } from "react";
import { isMoving, isOpen, mindmapQuery, sessionQuery, timelineQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { toMapDocument } from "~/map/live-map";
import { parseMap } from "~/map/model";
import { type SessionSearch, showsTimeline, type View, WIDE } from "~/session/search-params";
import { EmptyState } from "~/ui/basics";
import { Menu } from "~/ui/Menu";
import { useMedia } from "~/ui/media";
import type { MenuEntry } from "~/ui/menu-types";
import { Split } from "~/ui/Split";
import { ErrorState, Skeletons } from "~/ui/states";
import { Evidence } from "./Evidence";
import { useEdits } from "./edits";
import { hasFeature } from "./features";
import { Header } from "./Header";
import { useLiveUpdates } from "./live-updates";
import { MapPane } from "./MapPane";
import type { PanelName } from "./panel-name";
import { Timeline } from "./Timeline";

const Panels = lazy(() => import("./Panels").then((m) => ({ default: m.Panels })));

export function SessionPage() {
  const t = useMessages();
  const language = useLanguage();
  const { id } = useParams({ from: "/frame/sessions/$id" });
  const search = useSearch({ from: "/frame/sessions/$id" });
  const navigate = useNavigate({ from: "/sessions/$id" });
  const client = useQueryClient();
  const session = useQuery(sessionQuery(id));
  const live = session.data ? isOpen(session.data.session_status) : false;
  // While it records there is none yet; asking would only be answered with 404.
  const mindmap = useQuery({ ...mindmapQuery(id), enabled: session.isSuccess && !live });
  const isWide = useMedia(WIDE);
  const timeline = useQuery({
    ...timelineQuery(id, live),
    enabled: session.isSuccess && (showsTimeline(search.view, isWide) || live || mindmap.isFetched),
  });
  const [panel, setPanel] = useState<PanelName>(null);
  const isPhone = useMedia("(max-width: 767px)");

  const isBusy = mindmap.data?.status === "generating" || mindmap.data?.status === "pending";
  const { progress, liveMap: growing } = useLiveUpdates(
    id,
    Boolean(session.data && (isMoving(session.data.session_status) || isBusy)),
    client,
  );
  // While a new version is made the last one stays in sight.
  const latest = mindmap.data?.data ?? null;
  const [kept, setKept] = useState<{ id: string; data: unknown } | null>(null);
  useEffect(() => {
    if (latest) setKept({ id, data: latest });
  }, [latest, id]);
  // While it records, the map that grows; once it is stopped, the one that was made.
  const growingData = useMemo(() => (growing && growing.nodes.size > 1 ? toMapDocument(growing) : null), [growing]);
  const shownData = latest ?? (kept?.id === id && isBusy ? kept.data : live ? growingData : null);
  const model = useMemo(() => (shownData ? parseMap(shownData) : null), [shownData]);
  const edits = useEdits(id, mindmap.data?.version ?? 0);

  const set = useCallback(
    (change: Partial<SessionSearch>, replace = true) =>
      void navigate({ search: (old: SessionSearch) => ({ ...old, ...change }), replace }),
    [navigate],
  );
  const select = useCallback((node: string | null) => set({ node: node ?? undefined }), [set]);

  const onKey = useEffectEvent((event: KeyboardEvent) => {
    const isTyping =
      event.target instanceof HTMLElement && event.target.closest("input, textarea, select, [contenteditable]");
    if (isTyping || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    if (event.shiftKey ? !edits.canRedo : !edits.canUndo) return;
    event.preventDefault();
    if (event.shiftKey) edits.redo();
    else edits.undo();
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event);
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, []);

  if (session.isPending)
    return (
      <div className="page">
        <Skeletons rows={4} height={96} />
      </div>
    );
  if (!session.data) {
    const problem = toApiError(session.error);
    return (
      <div className="page">
        {problem.kind === "missing" || problem.kind === "forbidden" || problem.kind === "bad_request" ? (
          <EmptyState
            level={1}
            icon={<SearchX className="figure" size={32} strokeWidth={1.5} />}
            title={t.session.notFound}
            actions={
              <Link className="button primary" to="/sessions">
                {t.goHome}
              </Link>
            }
          >
            {t.session.notFoundHint}
          </EmptyState>
        ) : (
          <ErrorState level={1} error={session.error} onRetry={() => void session.refetch()} />
        )}
      </div>
    );
  }

  const wanted: View = search.view ?? (isWide ? "split" : "map");
  const view: View = wanted === "split" && !isWide ? "map" : wanted;
  // Links from search name the page; its node may have another id.
  const selected = search.node ? (model?.byPage.get(search.node)?.id ?? search.node) : null;
  const node = selected && model ? (model.byId.get(selected) ?? null) : null;

  const phoneEdits: MenuEntry[] = [
    ...(edits.canUndo ? [{ kind: "item", label: t.common.undo, onPick: edits.undo } as const] : []),
    ...(edits.canRedo ? [{ kind: "item", label: t.common.redo, onPick: edits.redo } as const] : []),
    { kind: "item", label: t.map.regenerate, onPick: () => setPanel("regenerate") },
    { kind: "line" },
  ];
  const timelinePane = (
    <section className="pane" aria-label={t.timeline.title}>
      {timeline.isError && !timeline.data ? (
        <ErrorState error={timeline.error} onRetry={() => void timeline.refetch()} />
      ) : timeline.data ? (
        <Timeline
          timeline={timeline.data}
          model={model}
          selected={selected}
          topic={search.topic ?? null}
          isLive={live}
          onSelect={select}
          onTopic={(topic) => set({ topic: topic ?? undefined })}
        />
      ) : (
        <Skeletons rows={8} height={52} />
      )}
    </section>
  );
  const mapPane = (
    <section className="pane" aria-label={t.map.title}>
      <MapPane
        session={session.data}
        query={mindmap}
        model={model}
        isUnreadable={shownData !== null && model === null}
        progress={progress}
        search={{ ...search, node: selected ?? undefined }}
        set={set}
        edits={edits}
        onPanel={setPanel}
      />
    </section>
  );

  return (
    <div className="session">
      <title>{`${session.data.title || t.common.untitled} · ${t.brand}`}</title>
      <Header
        session={session.data}
        model={model}
        view={view}
        isWide={isWide}
        onView={(next) => set({ view: next }, false)}
        onPanel={setPanel}
        edits={edits}
        version={mindmap.data?.version ?? null}
      />
      <div className={`session-body ${node ? "with-evidence" : ""}`}>
        {view === "split" ? (
          <Split label={t.session.divider} left={timelinePane} right={mapPane} />
        ) : view === "timeline" ? (
          timelinePane
        ) : (
          mapPane
        )}
        {node && model && (
          <Evidence
            key={node.id}
            node={node}
            model={model}
            version={mindmap.data?.version ?? 0}
            onSelect={select}
            onFocus={(topic) => set({ topic: topic ?? undefined })}
            focused={search.topic ?? null}
            edits={edits}
          />
        )}
      </div>
      {isPhone && (
        <nav className="bottom-bar" aria-label={t.nav.main}>
          <Link to="/sessions" activeOptions={{ exact: true }}>
            <ArrowLeft size={20} />
            {t.nav.sessions}
          </Link>
          <button type="button" aria-pressed={view === "timeline"} onClick={() => set({ view: "timeline" }, false)}>
            <ListTree size={20} />
            {t.nav.timeline}
          </button>
          <button type="button" aria-pressed={view === "map"} onClick={() => set({ view: "map" }, false)}>
            <MapIcon size={20} />
            {t.nav.map}
          </button>
          <Menu
            trigger={
              <button type="button">
                <Ellipsis size={20} />
                {t.nav.more}
              </button>
            }
            entries={[
              ...(edits.isAvailable && mindmap.data ? phoneEdits : []),
              { kind: "item", label: t.score.title, onPick: () => setPanel("score") },
              { kind: "item", label: t.leftOut.title, onPick: () => setPanel("left-out") },
              { kind: "item", label: t.receipt.title, onPick: () => setPanel("receipt") },
              { kind: "item", label: t.disclosure.title, onPick: () => setPanel("disclosures") },
              ...(hasFeature("/v1/sessions/{session_id}/mindmap/versions")
                ? [{ kind: "item", label: t.versions.title, onPick: () => setPanel("versions") } as const]
                : []),
              { kind: "item", label: t.share.title, onPick: () => setPanel("share") },
            ]}
          />
        </nav>
      )}
      <Suspense fallback={null}>
        {panel && (
          <Panels
            name={panel}
            session={session.data}
            model={model}
            mindmap={mindmap.data ?? null}
            language={language}
            onClose={() => setPanel(null)}
            onSelect={select}
            edits={edits}
          />
        )}
      </Suspense>
      <span className="sr" role="status">
        {session.data.session_status !== "completed" ? t.session.moved(t.status[session.data.session_status]) : ""}
      </span>
    </div>
  );
}
