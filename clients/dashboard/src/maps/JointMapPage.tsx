import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { shortDate, timeOfDay, unwrap, wordErrorCode } from "@trailmind/api";
import { ArrowLeft, Ellipsis, Plus, RefreshCw, Share2, Trash2, TriangleAlert } from "lucide-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { api } from "~/api/client";
import { type MapOwner, sessionQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { MapView } from "~/map/MapView";
import type { MapEditing } from "~/map/map-props";
import { type MapModel, parseMap } from "~/map/model";
import { Evidence } from "~/session/Evidence";
import { ExportMenu } from "~/session/ExportMenu";
import { canMerge, canMove, type Edits, useEdits } from "~/session/edits";
import { FORMATS } from "~/session/features";
import type { SessionSearch } from "~/session/search-params";
import { UndoTools } from "~/session/UndoTools";
import { useUndoKeys } from "~/session/useUndoKeys";
import { sessionName } from "~/sessions/session-name";
import { SharePanel } from "~/share/SharePanel";
import { EmptyState, IconButton } from "~/ui/basics";
import { Dialog } from "~/ui/Dialog";
import { errorMessage } from "~/ui/error-message";
import { Menu } from "~/ui/Menu";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { isDrawing, type JointMap, jointMapQuery, jointMapsQuery } from "./queries";
import "~/session/session.css";
import "~/session/MapPane.css";
import "./maps.css";

const RenameDialog = lazy(() => import("~/session/EditDialogs").then((m) => ({ default: m.RenameDialog })));

/** CSV is the timeline of one session. */
const EXPORTS = FORMATS.filter((format) => format !== "csv");

/** A map over several sessions: the map with its edits and versions, and the sessions it shows. */
export function JointMapPage() {
  const { id } = useParams({ from: "/frame/maps/$id" });
  const search = useSearch({ from: "/frame/maps/$id" });
  const query = useQuery(jointMapQuery(id));
  const edits = useEdits(id, "joint");
  useUndoKeys(edits);
  const { preview } = edits;
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
  return <LoadedMap map={query.data} model={model} edits={edits} search={search} />;
}

function LoadedMap(props: { map: JointMap; model: MapModel | null; edits: Edits; search: SessionSearch }) {
  const { map, model, edits, search } = props;
  const t = useMessages();
  const language = useLanguage();
  const navigate = useNavigate({ from: "/maps/$id" });
  const generate = useGenerate(map);
  const [dialog, setDialog] = useState<DialogName>(null);
  const owner: MapOwner = { kind: "joint", id: map.id };
  const [renamingId, setRenamingId] = useState<string | null>(null);
  const set = (change: Partial<SessionSearch>) =>
    void navigate({ search: (old: SessionSearch) => ({ ...old, ...change }), replace: true });
  const node = search.node && model ? (model.byId.get(search.node) ?? null) : null;
  const title = model?.root.label || map.title || t.maps.untitled;
  const reason = map.error_code && map.error_code !== "MAP_FAILED" ? wordErrorCode(map.error_code, {}, language) : "";
  const editing: MapEditing | null = model && {
    renamingId,
    startRename: setRenamingId,
    endRename: (label) => {
      if (label && renamingId) edits.rename(renamingId, label);
      setRenamingId(null);
    },
    dropOn: (from, target, kind) =>
      (kind === "merge" ? canMerge : canMove)(model, from, target) ? { kind, id: target } : null,
    drop: edits.drop,
    addTopic: () => setDialog("topic"),
  };
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
              <ExportMenu owner={owner} formats={EXPORTS} />
            </>
          )}
          <Menu
            trigger={
              <IconButton label={t.common.more}>
                <Ellipsis size={18} />
              </IconButton>
            }
            entries={[
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
      {edits.numWaiting > 0 && (
        <p className="notice amber making-line" role="status">
          {t.edit.waiting(edits.numWaiting)}
        </p>
      )}
      {isDrawing(map) && (
        <p className="notice making-line" role="status">
          {t.map.regenerating} {map.percent}%
        </p>
      )}
      {model && map.error_code && !isDrawing(map) && (
        <p className="notice amber making-line" role="status">
          {t.keptMap.failed} {reason} {t.maps.earlier}
        </p>
      )}
      <div className={`session-body ${node ? "with-evidence" : ""}`}>
        {model ? (
          <>
            <section className="pane" aria-label={t.map.title}>
              <MapView
                model={model}
                version={map.version ?? 0}
                layout={search.layout ?? "tree"}
                onLayout={(layout) => set({ layout })}
                selected={search.node ?? null}
                onSelect={(selected) => set({ node: selected ?? undefined })}
                topic={search.topic ?? null}
                onTopic={(topic) => set({ topic: topic ?? undefined })}
                editing={editing}
                tools={
                  editing && (
                    <>
                      <IconButton label={t.edit.newTopic} onClick={() => setDialog("topic")}>
                        <Plus size={17} />
                      </IconButton>
                      <UndoTools edits={edits} />
                    </>
                  )
                }
              />
            </section>
            {node && (
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
          <Skeletons rows={1} height={360} />
        ) : (
          <EmptyState icon={<TriangleAlert className="figure" size={32} strokeWidth={1.5} />} title={t.map.failed}>
            {reason} {t.map.failedHint}
          </EmptyState>
        )}
      </div>
      <Dialogs name={dialog} map={map} model={model} edits={edits} owner={owner} onClose={() => setDialog(null)} />
    </div>
  );
}

type DialogName = "versions" | "share" | "delete" | "topic" | null;

function Dialogs(props: {
  name: DialogName;
  map: JointMap;
  model: MapModel | null;
  edits: Edits;
  owner: MapOwner;
  onClose: () => void;
}) {
  const { name, map, model, edits, owner, onClose } = props;
  const t = useMessages();
  const language = useLanguage();
  const remove = useRemove(map);
  return (
    <>
      {name === "share" && (
        <Dialog title={t.share.title} isOpen onClose={onClose}>
          <SharePanel owner={owner} language={language} />
        </Dialog>
      )}
      {name === "versions" && <Versions map={map} onClose={onClose} />}
      {name === "delete" && (
        <Dialog title={t.common.delete} isOpen onClose={onClose}>
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
      <Suspense fallback={null}>
        {name === "topic" && model && (
          <RenameDialog
            title={t.edit.newTopic}
            onClose={onClose}
            onSave={(label) => edits.run({ op: "add_node", parent_id: model.root.id, type: "topic", label })}
          />
        )}
      </Suspense>
    </>
  );
}

function useGenerate(map: JointMap) {
  const t = useMessages();
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.POST("/v1/maps/{map_id}/generate", { params: { path: { map_id: map.id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: jointMapQuery(map.id).queryKey }),
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
  const session = useQuery(sessionQuery(id));
  return (
    <li>
      <Link to="/sessions/$id" params={{ id }}>
        {session.data ? sessionName(session.data, t) : t.common.untitled}
      </Link>
    </li>
  );
}

function Versions({ map, onClose }: { map: JointMap; onClose: () => void }) {
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
  const key = ["joint-versions", map.id, map.version];
  const versions = useQuery({
    queryKey: key,
    queryFn: ({ signal }) =>
      unwrap(api.GET("/v1/maps/{map_id}/versions", { params: { path: { map_id: map.id } }, signal })),
  });
  const restore = useMutation({
    mutationFn: (number: number) =>
      unwrap(api.POST("/v1/maps/{map_id}/versions/{number}/restore", { params: { path: { map_id: map.id, number } } })),
    onSuccess: (reply, number) => {
      client.setQueryData(jointMapQuery(map.id).queryKey, reply.map);
      toast(t.versions.restored(number));
      onClose();
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  return (
    <Dialog title={t.versions.title} isOpen onClose={onClose}>
      {versions.isPending ? (
        <Skeletons rows={2} height={40} />
      ) : versions.isError ? (
        <ErrorState error={versions.error} />
      ) : (
        <ul className="panel-list">
          {versions.data.versions.map((version) => (
            <li key={version.number}>
              <span className="grow">
                <b>{t.versions.version(version.number)}</b>{" "}
                <span className="small muted tnum">
                  {shortDate(new Date(version.created_at), new Date(), language)}{" "}
                  {timeOfDay(new Date(version.created_at), language)} ·{" "}
                  {t.map.nodes(version.num_topics, version.num_pages)}
                </span>
              </span>
              {version.is_current ? (
                <span className="badge">{t.versions.current}</span>
              ) : (
                <button
                  type="button"
                  className="button"
                  disabled={restore.isPending}
                  onClick={() => restore.mutate(version.number)}
                >
                  {t.versions.restore}
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}
