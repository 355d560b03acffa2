import type { UseQueryResult } from "@tanstack/react-query";
import { duration } from "@trailmind/api";
import { Ellipsis, Network, Redo2, RefreshCw, TriangleAlert, Undo2 } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { isOpen, type Mindmap, type Session } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { MapView } from "~/map/MapView";
import type { MapModel } from "~/map/model";
import type { SessionSearch } from "~/session/search-params";
import { EmptyState, IconButton } from "~/ui/basics";
import { Menu } from "~/ui/Menu";
import { useMedia } from "~/ui/media";
import { ErrorState, Skeletons } from "~/ui/states";
import type { Edits } from "./edits";
import { hasFeature } from "./features";
import type { Progress } from "./live-updates";
import type { PanelName } from "./panel-name";
import { useGenerate } from "./useGenerate";

const RenameDialog = lazy(() => import("./EditDialogs").then((m) => ({ default: m.RenameDialog })));

interface Props {
  session: Session;
  query: UseQueryResult<Mindmap | null>;
  model: MapModel | null;
  isUnreadable: boolean;
  progress: Progress | null;
  search: SessionSearch;
  set: (change: Partial<SessionSearch>) => void;
  edits: Edits;
  onPanel: (panel: PanelName) => void;
}

/** The map, or the reason why there is none and what to do about it. */
export function MapPane(props: Props) {
  const { session, query, model, progress, search, set, edits, onPanel } = props;
  const t = useMessages();
  const generate = useGenerate(session.id);
  const isPhone = useMedia("(max-width: 767px)");
  const [renaming, setRenaming] = useState<string | null>(null);
  const map = query.data;
  const draw = (
    <button
      type="button"
      className="button primary"
      disabled={generate.isPending}
      onClick={() => generate.mutate(map?.status === "failed")}
    >
      <RefreshCw size={16} />
      {map ? t.map.regenerate : t.map.generate}
    </button>
  );

  if (query.isError && !map) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  if (isOpen(session.session_status) && !map && !model)
    return (
      <EmptyState icon={<Network className="figure" size={32} strokeWidth={1.5} />} title={t.map.none}>
        {t.map.live}
      </EmptyState>
    );
  if (query.isPending && !model) return <Skeletons rows={1} height={360} />;
  const isMaking = map?.status === "generating" || map?.status === "pending" || session.session_status === "processing";
  if (!model) {
    if (isMaking) return <Making progress={progress} map={map ?? null} />;
    if (props.isUnreadable)
      return (
        <EmptyState
          icon={<TriangleAlert className="figure" size={32} strokeWidth={1.5} />}
          title={t.map.unreadable}
          actions={draw}
        >
          {t.map.unreadableHint}
        </EmptyState>
      );
    if (map?.status === "failed")
      return (
        <EmptyState
          icon={<TriangleAlert className="figure" size={32} strokeWidth={1.5} />}
          title={t.map.failed}
          actions={draw}
        >
          {map.error_message ? `${map.error_message} ` : ""}
          {t.map.failedHint}
        </EmptyState>
      );
    return (
      <EmptyState icon={<Network className="figure" size={32} strokeWidth={1.5} />} title={t.map.none} actions={draw}>
        {t.map.noneHint}
      </EmptyState>
    );
  }
  if (model.nodes.length <= 1)
    return (
      <EmptyState
        icon={<Network className="figure" size={32} strokeWidth={1.5} />}
        title={t.map.empty}
        actions={
          <button type="button" className="button" onClick={() => onPanel("left-out")}>
            {t.leftOut.title}
          </button>
        }
      >
        {t.map.emptyHint}
      </EmptyState>
    );

  const renamed = renaming === null ? undefined : model.byId.get(renaming);
  return (
    <>
      {!map && (
        <p className="notice making-line" role="status">
          {t.session.live}
        </p>
      )}
      {isMaking && (
        <p className="notice making-line" role="status">
          {t.map.regenerating} {progress?.percent !== null && progress ? `${progress.percent}%` : ""}
        </p>
      )}
      <MapView
        model={model}
        version={map?.version ?? 0}
        layout={search.layout ?? "tree"}
        onLayout={(layout) => set({ layout })}
        selected={search.node ?? null}
        onSelect={(id) => set({ node: id ?? undefined })}
        topic={search.topic ?? null}
        onTopic={(id) => set({ topic: id ?? undefined })}
        onRename={edits.isAvailable && map ? setRenaming : undefined}
        onDrop={edits.isAvailable && map ? (id, target) => edits.move(model, id, target) : undefined}
        tools={
          isPhone ? null : (
            <>
              {edits.isAvailable && map && (
                <>
                  <IconButton label={t.common.undo} disabled={!edits.canUndo} onClick={() => edits.undo()}>
                    <Undo2 size={17} />
                  </IconButton>
                  <IconButton label={t.common.redo} disabled={!edits.canRedo} onClick={() => edits.redo()}>
                    <Redo2 size={17} />
                  </IconButton>
                </>
              )}
              <Menu
                trigger={
                  <IconButton label={t.common.more}>
                    <Ellipsis size={18} />
                  </IconButton>
                }
                entries={[
                  { kind: "item", label: t.score.title, onPick: () => onPanel("score") },
                  {
                    kind: "item",
                    label: t.leftOut.count(model.document.left_out.length),
                    onPick: () => onPanel("left-out"),
                  },
                  ...(hasFeature("/v1/sessions/{session_id}/mindmap/versions")
                    ? [{ kind: "item", label: t.versions.title, onPick: () => onPanel("versions") } as const]
                    : []),
                  { kind: "line" },
                  {
                    kind: "item",
                    label: t.map.regenerate,
                    icon: <RefreshCw size={16} />,
                    onPick: () => onPanel("regenerate"),
                  },
                ]}
              />
            </>
          )
        }
      />
      <Suspense fallback={null}>
        {renamed && (
          <RenameDialog
            node={renamed}
            onClose={() => setRenaming(null)}
            onSave={(label) => edits.rename(renamed.id, label)}
          />
        )}
      </Suspense>
    </>
  );
}

const ORDER = ["queued", "reading", "grouping", "naming", "drawing", "saving"];

/** The stages as they really are, with counts and the time so far. */
function Making({ progress, map }: { progress: Progress | null; map: Mindmap | null }) {
  const t = useMessages();
  const language = useLanguage();
  const [since] = useState(() => progress?.sinceMs ?? Date.now());
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const stage = progress?.stage ?? map?.stage ?? "queued";
  const percent = progress?.percent ?? map?.percent ?? 0;
  const names: Record<string, unknown> = t.stages;
  const nameOf = (key: string) => (typeof names[key] === "string" ? (names[key] as string) : t.stages.other);
  const at = ORDER.indexOf(stage);
  return (
    <div className="making" role="status" aria-live="polite">
      <h2>{t.stages.title}</h2>
      <div className="meter">
        <i style={{ width: `${Math.max(3, percent)}%` }} />
      </div>
      <ol>
        {(at < 0 ? [stage] : ORDER).map((key, i) => (
          <li key={key} className={at < 0 || i === at ? "now" : i < at ? "past" : ""}>
            {nameOf(key)}
          </li>
        ))}
      </ol>
      <p className="muted tnum">
        {[
          progress?.pagesTotal ? t.stages.read(progress.pagesRead ?? 0, progress.pagesTotal) : "",
          progress?.numTopics ? t.stages.topics(progress.numTopics) : "",
          t.stages.elapsed(duration(now - since, language)),
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
      {progress && progress.topics.length > 0 && (
        <ul className="card-words">
          {progress.topics.map((topic) => (
            <li key={topic}>
              <span>{topic}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
