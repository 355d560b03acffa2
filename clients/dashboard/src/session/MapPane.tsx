import type { UseQueryResult } from "@tanstack/react-query";
import { duration } from "@trailmind/api";
import { Ellipsis, Network, RefreshCw, TriangleAlert } from "lucide-react";
import { useEffect, useState } from "react";
import { isOpen, type Mindmap, type Session } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { MapView } from "~/map/MapView";
import type { MapModel } from "~/map/model";
import type { SessionSearch } from "~/session/search-params";
import { EmptyState, IconButton } from "~/ui/basics";
import { Menu } from "~/ui/Menu";
import { useMedia } from "~/ui/media";
import { ErrorState, Skeletons } from "~/ui/states";
import { useLostSince } from "~/ui/useLostSince";
import type { Edits } from "./edits";
import { FailureHint } from "./FailureHint";
import { hasFeature } from "./features";
import { KeptMap } from "./KeptMap";
import type { Progress } from "./live-updates";
import { MapNotes } from "./MapNotes";
import { ModelConsent } from "./ModelConsent";
import type { PanelName } from "./panel-name";
import { UndoTools } from "./UndoTools";
import { useGenerate } from "./useGenerate";
import { useMapEditing } from "./useMapEditing";
import "./MapPane.css";

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
  /** The node whose label is edited in place. */
  renamingId: string | null;
  onRename: (id: string | null) => void;
}

/** The map, or the reason why there is none and what the user can do about it. */
export function MapPane(props: Props) {
  const { session, query, model, progress, search, set, edits, onPanel } = props;
  const t = useMessages();
  const isPhone = useMedia("(max-width: 767px)");
  const isLost = useLostSince() !== null;
  const map = query.data;
  const isEditable = edits.isAvailable && Boolean(map);
  const shown = model && model.nodes.length > 1 ? model : null;
  const { editing, newTopicButton, newTopicDialog } = useMapEditing(
    shown,
    isEditable ? edits : null,
    props.renamingId,
    props.onRename,
  );
  if (query.isError && !map) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  if (!model) return <MissingMap {...props} />;
  if (model.nodes.length <= 1) return <EmptyMap numLeftOut={model.document.left_out.length} onPanel={onPanel} />;

  return (
    <>
      <MapView
        model={model}
        version={map?.version ?? 0}
        layout={search.layout ?? "tree"}
        onLayout={(layout) => set({ layout })}
        selected={search.node ?? null}
        onSelect={(id) => set({ node: id ?? undefined })}
        topic={search.topic ?? null}
        onTopic={(id) => set({ topic: id ?? undefined })}
        isGrowing={!map}
        editing={editing}
        notices={
          <>
            {!map && !isLost && (
              <p className="notice" role="status">
                {session.session_status === "paused" ? t.session.livePaused : t.session.live}
              </p>
            )}
            {isGenerating(map, session) && (
              <p className="notice" role="status">
                {t.map.regenerating} {progress && progress.percent !== null ? `${progress.percent}%` : ""}
              </p>
            )}
            {edits.numWaiting > 0 && (
              <p className="notice amber" role="status">
                {t.edit.waiting(edits.numWaiting)}
              </p>
            )}
            {map && <KeptMap session={session} map={map} />}
            {map && <ModelConsent session={session} />}
            {map && <MapNotes document={model.document} without={["consent_missing"]} version={map.version} />}
          </>
        }
        tools={
          <>
            {newTopicButton}
            {!isPhone && <MapPaneTools model={model} edits={isEditable ? edits : null} onPanel={onPanel} />}
          </>
        }
      />
      {newTopicDialog}
    </>
  );
}

function isGenerating(map: Mindmap | null | undefined, session: Session): boolean {
  return map?.status === "generating" || map?.status === "pending" || session.session_status === "processing";
}

function MissingMap({ session, query, progress, isUnreadable }: Props) {
  const t = useMessages();
  const map = query.data;
  if (isOpen(session.session_status) && !map)
    return (
      <EmptyState icon={<Network className="figure" size={32} strokeWidth={1.5} />} title={t.map.none}>
        {t.map.live}
      </EmptyState>
    );
  if (query.isPending) return <Skeletons rows={1} height={360} />;
  if (isGenerating(map, session)) return <GenerationProgress progress={progress} map={map ?? null} />;
  const actions = <GenerateButton sessionId={session.id} map={map ?? null} />;
  if (isUnreadable)
    return (
      <EmptyState
        icon={<TriangleAlert className="figure" size={32} strokeWidth={1.5} />}
        title={t.map.unreadable}
        actions={actions}
      >
        {t.map.unreadableHint}
      </EmptyState>
    );
  if (map?.status === "failed")
    return (
      <EmptyState
        icon={<TriangleAlert className="figure" size={32} strokeWidth={1.5} />}
        title={t.map.failed}
        actions={actions}
      >
        <FailureHint code={map.error_code} />
      </EmptyState>
    );
  return (
    <EmptyState icon={<Network className="figure" size={32} strokeWidth={1.5} />} title={t.map.none} actions={actions}>
      {t.map.noneHint}
    </EmptyState>
  );
}

function EmptyMap({ numLeftOut, onPanel }: { numLeftOut: number; onPanel: (panel: PanelName) => void }) {
  const t = useMessages();
  return (
    <EmptyState
      icon={<Network className="figure" size={32} strokeWidth={1.5} />}
      title={t.map.empty}
      actions={
        numLeftOut > 0 && (
          <button type="button" className="button" onClick={() => onPanel("left-out")}>
            {t.leftOut.title}
          </button>
        )
      }
    >
      {numLeftOut > 0 ? t.map.emptyHint : t.map.emptyNoPages}
    </EmptyState>
  );
}

function GenerateButton({ sessionId, map }: { sessionId: string; map: Mindmap | null }) {
  const t = useMessages();
  const generate = useGenerate(sessionId);
  return (
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
}

function MapPaneTools({
  model,
  edits,
  onPanel,
}: {
  model: MapModel;
  edits: Edits | null;
  onPanel: (panel: PanelName) => void;
}) {
  const t = useMessages();
  return (
    <>
      {edits && <UndoTools edits={edits} />}
      <Menu
        trigger={
          <IconButton label={t.common.moreOfMap}>
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
  );
}

const STAGES = ["queued", "reading", "grouping", "naming", "drawing", "saving"];

/** The stage the server reports, with counts and the elapsed time. */
function GenerationProgress({ progress, map }: { progress: Progress | null; map: Mindmap | null }) {
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
  const at = STAGES.indexOf(stage);
  return (
    <div className="making" role="status" aria-live="polite">
      <h2>{t.stages.title}</h2>
      <div className="meter">
        <i style={{ width: `${Math.max(3, percent)}%` }} />
      </div>
      <ol>
        {(at < 0 ? [stage] : STAGES).map((key, i) => (
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
        <ul className="tags">
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
