import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { unwrap } from "@trailmind/api";
import { ArrowLeft, Ellipsis, History, RefreshCw, Share2, Trash2, TriangleAlert } from "lucide-react";
import { Suspense, useEffect, useMemo, useState } from "react";
import { api } from "~/api/client";
import { type MapOwner, sessionQuery } from "~/api/queries";
import { useFailureReason } from "~/billing/tokens";
import { useLanguage, useMessages } from "~/i18n";
import { MapView } from "~/map/MapView";
import { type MapModel, parseMap } from "~/map/model";
import { type PaletteAction, useOfferedActions } from "~/search/palette-actions";
import { Evidence } from "~/session/Evidence";
import { ExportMenu } from "~/session/ExportMenu";
import { type Edits, useEdits } from "~/session/edits";
import { exportActions } from "~/session/export-actions";
import { FailureHint } from "~/session/FailureHint";
import { FORMATS } from "~/session/features";
import { type Progress, useLiveUpdates } from "~/session/live-updates";
import type { SessionSearch } from "~/session/search-params";
import { UndoTools, undoEntries } from "~/session/UndoTools";
import { useEvidenceAfterClick } from "~/session/useEvidenceAfterClick";
import { useMapEditing } from "~/session/useMapEditing";
import { useUndoKeys } from "~/session/useUndoKeys";
import { sessionName } from "~/sessions/session-name";
import { EmptyState, IconButton } from "~/ui/basics";
import { Dialog } from "~/ui/Dialog";
import { errorMessage } from "~/ui/error-message";
import { lazyPart } from "~/ui/lazyPart";
import { Menu } from "~/ui/Menu";
import { useMedia } from "~/ui/media";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { isDrawing, isRedrawn, type JointMap, jointMapQuery, jointMapsQuery } from "./queries";
import "~/session/session.css";
import "~/session/MapPane.css";
import "./maps.css";

const SharePanel = lazyPart(() => import("~/share/SharePanel"), "SharePanel");
const Versions = lazyPart(() => import("~/session/Versions"), "Versions");
const Score = lazyPart(() => import("~/session/Panels"), "Score");
const LeftOutList = lazyPart(() => import("~/session/Panels"), "LeftOutList");

/** A map over several sessions: the map with its edits and versions, and the sessions it shows. */
export function JointMapPage() {
  const { id } = useParams({ from: "/frame/maps/$id" });
  const search = useSearch({ from: "/frame/maps/$id" });
  const query = useQuery(jointMapQuery(id));
  const edits = useEdits(id, "joint");
  useUndoKeys(edits);
  const { preview, noteSaved } = edits;
  const { progress } = useLiveUpdates(
    { kind: "joint", id },
    query.isSuccess,
    isDrawing(query.data),
    useQueryClient(),
    noteSaved,
  );
  const document: unknown = query.data?.data ?? null;
  const model = useMemo(() => (document ? parseMap(preview(document)) : null), [document, preview]);
  if (query.isPending)
    return (
      <div className="page">
        <Skeletons rows={2} height={200} />
      </div>
    );
  if (query.isError && !query.data)
    return <ErrorState level={1} error={query.error} onRetry={() => void query.refetch()} />;
  return <LoadedMap map={query.data} model={model} progress={progress} edits={edits} search={search} />;
}

function LoadedMap(props: {
  map: JointMap;
  model: MapModel | null;
  progress: Progress | null;
  edits: Edits;
  search: SessionSearch;
}) {
  const { map, model, progress, edits, search } = props;
  const t = useMessages();
  const navigate = useNavigate({ from: "/maps/$id" });
  const generate = useGenerate(map);
  const [dialog, setDialog] = useState<DialogName>(null);
  const owner: MapOwner = { kind: "joint", id: map.id };
  const isPhone = useMedia("(max-width: 767px)");
  const [renamingId, setRenamingId] = useState<string | null>(null);
  const set = (change: Partial<SessionSearch>) =>
    void navigate({ search: (old: SessionSearch) => ({ ...old, ...change }), replace: true });
  const selected = search.node ? edits.idOf(search.node) : null;
  const node = selected && model ? (model.byId.get(selected) ?? null) : null;
  const hasEvidence = useEvidenceAfterClick(node !== null, renamingId !== null);
  const title = model?.root.label || map.title || t.maps.untitled;
  const reason = useFailureReason(map.error_code);
  useOfferedActions(useJointMapActions(map, setDialog, generate.mutate));
  const { editing, newTopicButton, newTopicDialog } = useMapEditing(model, edits, renamingId, setRenamingId);
  const drawing = isDrawing(map) && (
    <p className="notice" role="status">
      {t.map.regenerating} {progress?.percent ?? map.percent}%
    </p>
  );
  return (
    <div className="session">
      <title>{`${title} · ${t.brand}`}</title>
      <header className="session-head">
        <div className="row session-top">
          <Link to="/maps" className="icon-button back" aria-label={t.maps.title} title={t.maps.title}>
            <ArrowLeft size={18} />
          </Link>
          <div className="grow">
            <h1 className="row session-title">
              <span className="ellipsis" title={title}>
                {title}
              </span>
            </h1>
            <Members ids={map.session_ids} />
          </div>
          {model && (
            <>
              <IconButton label={t.share.title} onClick={() => setDialog("share")}>
                <Share2 size={17} />
              </IconButton>
              <ExportMenu owner={owner} formats={FORMATS} />
            </>
          )}
          <Menu
            trigger={
              <IconButton label={t.common.moreOfMap}>
                <Ellipsis size={18} />
              </IconButton>
            }
            entries={[
              // On a phone the bar above the map has no space for them.
              ...(isPhone ? undoEntries(edits, t) : []),
              ...(model
                ? [
                    { kind: "item", label: t.score.title, onPick: () => setDialog("score") } as const,
                    {
                      kind: "item",
                      label: t.leftOut.count(model.document.left_out.length),
                      onPick: () => setDialog("left-out"),
                    } as const,
                  ]
                : []),
              ...(map.version === undefined
                ? []
                : [{ kind: "item", label: t.versions.title, onPick: () => setDialog("versions") } as const]),
              ...(isDrawing(map)
                ? []
                : [
                    {
                      kind: "item",
                      label: t.map.regenerate,
                      icon: <RefreshCw size={16} />,
                      onPick: () => generate.mutate(),
                    } as const,
                  ]),
              { kind: "line" },
              {
                kind: "item",
                label: t.common.delete,
                icon: <Trash2 size={16} />,
                isDanger: true,
                onPick: () => setDialog("delete"),
              },
            ]}
          />
        </div>
      </header>
      <div className={`session-body ${hasEvidence ? "with-evidence" : ""}`}>
        {model ? (
          <>
            <section className="pane" aria-label={t.map.title}>
              <MapView
                model={model}
                version={map.version ?? 0}
                layout={search.layout ?? "tree"}
                onLayout={(layout) => set({ layout })}
                selected={selected}
                onSelect={(id) => set({ node: id ?? undefined })}
                topic={search.topic ?? null}
                onTopic={(topic) => set({ topic: topic ?? undefined })}
                editing={editing}
                notices={
                  <>
                    {edits.numWaiting > 0 && (
                      <p className="notice amber" role="status">
                        {t.edit.waiting(edits.numWaiting)}
                      </p>
                    )}
                    {drawing}
                    {map.error_code && !isDrawing(map) && (
                      <p className="notice amber" role="status">
                        {t.keptMap.failed} {reason} {t.maps.earlier}
                      </p>
                    )}
                  </>
                }
                tools={
                  <>
                    {newTopicButton}
                    {!isPhone && <UndoTools edits={edits} />}
                  </>
                }
              />
            </section>
            {hasEvidence && node && (
              <Evidence
                key={node.id}
                node={node}
                model={model}
                version={map.version ?? 0}
                onSelect={(selected) => set({ node: selected ?? undefined })}
                onFocus={(topic) => set({ topic: topic ?? undefined })}
                focused={search.topic ?? null}
                edits={edits}
                owner={owner}
              />
            )}
          </>
        ) : isDrawing(map) ? (
          <div className="grow">
            {drawing}
            <Skeletons rows={1} height={360} />
          </div>
        ) : (
          <EmptyState icon={<TriangleAlert className="figure" size={32} strokeWidth={1.5} />} title={t.map.failed}>
            <FailureHint code={map.error_code} />
          </EmptyState>
        )}
      </div>
      {newTopicDialog}
      <Dialogs name={dialog} map={map} model={model} owner={owner} edits={edits} onClose={() => setDialog(null)} />
    </div>
  );
}

type DialogName = "versions" | "share" | "score" | "left-out" | "delete" | null;

function Dialogs(props: {
  name: DialogName;
  map: JointMap;
  model: MapModel | null;
  owner: MapOwner;
  edits: Edits;
  onClose: () => void;
}) {
  const { name, map, model, owner, edits, onClose } = props;
  const t = useMessages();
  const language = useLanguage();
  const remove = useRemove(map);
  return (
    <>
      {name === "versions" && (
        <Dialog title={t.versions.title} isOpen onClose={onClose}>
          <Suspense fallback={<Skeletons rows={2} height={40} />}>
            <Versions owner={owner} version={map.version ?? null} model={model} language={language} />
          </Suspense>
        </Dialog>
      )}
      {name === "share" && (
        <Dialog title={t.share.title} isOpen onClose={onClose}>
          <Suspense fallback={<Skeletons rows={2} height={44} />}>
            <SharePanel owner={owner} language={language} />
          </Suspense>
        </Dialog>
      )}
      {name === "score" && (
        <Dialog title={t.score.title} isOpen onClose={onClose}>
          <Suspense fallback={<Skeletons rows={4} height={44} />}>
            <Score model={model} />
          </Suspense>
        </Dialog>
      )}
      {name === "left-out" && (
        <Dialog title={t.leftOut.title} isOpen onClose={onClose}>
          <Suspense fallback={<Skeletons rows={2} height={44} />}>
            <LeftOutList model={model} language={language} edits={edits} />
          </Suspense>
        </Dialog>
      )}
      {name === "delete" && (
        <Dialog title={t.maps.deleteThis} isOpen onClose={onClose}>
          <p>{t.maps.deleteHint}</p>
          <div className="dialog-actions">
            <button type="button" className="button" onClick={onClose}>
              {t.common.cancel}
            </button>
            <button type="button" className="button danger" disabled={remove.isPending} onClick={() => remove.mutate()}>
              {t.common.delete}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** What the command palette can do with the map in front. */
function useJointMapActions(map: JointMap, onDialog: (name: DialogName) => void, onGenerate: () => void) {
  const t = useMessages();
  const { id } = map;
  const [hasMap, hasVersion, isBusy] = [Boolean(map.data), map.version !== undefined, isDrawing(map)];
  return useMemo((): PaletteAction[] => {
    const note = t.search.thisMap;
    const action = (label: string, icon: PaletteAction["icon"], run: () => void) => ({
      key: label,
      label,
      note,
      icon,
      run,
    });
    return [
      ...(hasMap ? [action(t.share.title, <Share2 size={16} />, () => onDialog("share"))] : []),
      ...(isBusy ? [] : [action(t.map.regenerate, <RefreshCw size={16} />, onGenerate)]),
      ...(hasVersion ? [action(t.versions.title, <History size={16} />, () => onDialog("versions"))] : []),
      ...(hasMap ? exportActions({ kind: "joint", id }, note, t) : []),
      action(t.common.delete, <Trash2 size={16} />, () => onDialog("delete")),
    ];
  }, [t, id, hasMap, hasVersion, isBusy, onDialog, onGenerate]);
}

/** A mutation that draws the map again. When that makes no new version, a toast says why. */
function useGenerate(map: JointMap) {
  const t = useMessages();
  const client = useQueryClient();
  const [before, setBefore] = useState<JointMap | null>(null);
  useEffect(() => {
    if (!before || !isRedrawn(before, map)) return;
    setBefore(null);
    if (map.status === "completed" && !map.error_code && map.version === before.version) toast(t.maps.unchanged);
  }, [before, map, t]);
  return useMutation({
    mutationFn: () => unwrap(api.POST("/v1/maps/{map_id}/generate", { params: { path: { map_id: map.id } } })),
    onSuccess: (reply) => {
      const key = jointMapQuery(map.id).queryKey;
      // The answer says that the map is being drawn; its edits are read with the map.
      client.setQueryData(key, (shown: JointMap | undefined) => ({ ...shown, ...reply.map }));
      setBefore(map);
      return client.invalidateQueries({ queryKey: key });
    },
    onError: (error: unknown) => void toast(errorMessage(error, t)),
  });
}

function useRemove(map: JointMap) {
  const t = useMessages();
  const client = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: () => unwrap(api.DELETE("/v1/maps/{map_id}", { params: { path: { map_id: map.id } } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: jointMapsQuery().queryKey });
      return navigate({ to: "/maps" });
    },
    onError: (error: unknown) => void toast(errorMessage(error, t)),
  });
}

/** The sessions on the map, each a link. */
function Members({ ids }: { ids: readonly string[] }) {
  return (
    <ul className="joint-members small">
      {ids.map((id) => (
        <Member key={id} id={id} />
      ))}
    </ul>
  );
}

function Member({ id }: { id: string }) {
  const t = useMessages();
  const language = useLanguage();
  const session = useQuery(sessionQuery(id));
  return (
    <li>
      <Link to="/sessions/$id" params={{ id }}>
        {session.data ? sessionName(session.data, language) : t.common.loading}
      </Link>
    </li>
  );
}
