/** Edits of a map as operations. Each is one request and one undo step, and is applied again to later versions. */

import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { isRecord, type OperationBody, toApiError, unwrap, uuid } from "@trailmind/api";
import { useCallback, useEffect, useSyncExternalStore } from "react";
import { api } from "~/api/client";
import { currentLogin, onLogin } from "~/api/login";
import { type MapOwner, type Mindmap, mindmapQuery } from "~/api/queries";
import { storeReply } from "~/api/refresh";
import { type Messages, useMessages } from "~/i18n";
import type { FreePlace } from "~/map/free-places";
import type { DropTarget } from "~/map/map-props";
import { MAX_TOPIC_LEVELS, type MapModel } from "~/map/model";
import { jointMapQuery } from "~/maps/queries";
import { errorMessage } from "~/ui/error-message";
import { dismissToast, toast } from "~/ui/toast";
import { EditQueue, type EditServer } from "./edit-queue";
import { hasFeature } from "./features";
import { storeEdits, takeAbandonedEdits } from "./stored-edits";

export interface Edits {
  isAvailable: boolean;
  /** Whether an edit is on its way to the server. */
  isSaving: boolean;
  /** How many edits wait because the server does not answer; they are kept in this browser. */
  numWaiting: number;
  canUndo: boolean;
  canRedo: boolean;
  run: (operation: OperationBody) => void;
  rename: (id: string, label: string) => void;
  move: (model: MapModel, id: string, parent: string) => void;
  drop: (id: string, target: DropTarget) => void;
  undo: () => void;
  redo: () => void;
  /** The id of a node, also of one that was selected before the server had created it. */
  idOf: (id: string) => string;
  /** A map document with the edits that are not saved yet. */
  preview: (document: unknown) => unknown;
  /** Loads the map again when the server has edits that another tab or client made. */
  noteSaved: (version: number, seq: number) => void;
}

/**
 * Whether a node can move below another, by the server's rules. A topic that moves below a topic becomes its subtopic,
 * and a subtopic below the core becomes a topic. A subtopic of the last level holds pages alone.
 */
export function canMove(model: MapModel, id: string, parent: string): boolean {
  const [node, target] = [model.byId.get(id), model.byId.get(parent)];
  if (!node || !target || id === parent || model.parent.get(id) === parent) return false;
  for (let at: string | undefined = parent; at !== undefined; at = model.parent.get(at)) if (at === id) return false;
  if (node.type === "topic") return target.type === "topic";
  if (node.type === "subtopic") return target.type !== "page" && (model.depth.get(parent) ?? 0) < MAX_TOPIC_LEVELS;
  return node.type === "page" && (target.type === "topic" || target.type === "subtopic");
}

/** Topics merge with topics, and subtopics with subtopics. */
export function canMerge(model: MapModel, id: string, other: string): boolean {
  const [type, otherType] = [model.byId.get(id)?.type, model.byId.get(other)?.type];
  return id !== other && type === otherType && (type === "topic" || type === "subtopic");
}

/** A topic can be split when it has more than one child. */
export function canSplit(model: MapModel, id: string): boolean {
  return (model.children.get(id)?.length ?? 0) > 1;
}

/** The key of the query that holds a map. */
export const mapKey = ({ id, kind }: MapOwner) => (kind === "joint" ? jointMapQuery(id) : mindmapQuery(id)).queryKey;

/** The subject of toasts about edits: only the last edit has one. */
const EDIT = "edit";

const queues = new Map<string, EditQueue>();

/** The queue of a session. It outlives the page, so that edits made before leaving it are still sent. */
function queueFor(sessionId: string, server: EditServer): EditQueue {
  const queue = queues.get(sessionId) ?? new EditQueue(server);
  queues.set(sessionId, queue);
  return queue;
}

/** Failures after which the same request can succeed. After a login that has expired the next page sends it. */
const TEMPORARY: ReadonlySet<string> = new Set(["offline", "timeout", "unavailable", "too_many", "signed_out"]);
/** The browser refuses larger bodies in requests that outlive the page. */
const MAX_KEPT_ALIVE_CHARS = 30_000;

const retryAll = () => {
  for (const queue of queues.values()) queue.retryNow();
};
addEventListener("online", retryAll);
onLogin(() => currentLogin().state === "in" && retryAll());

/** The server as the queue of a session uses it. `getQueue` returns that queue. */
function editServer(
  sessionId: string,
  client: QueryClient,
  t: Messages,
  getQueue: () => EditQueue,
  kind: MapOwner["kind"] = "session",
): EditServer {
  const key = mapKey({ kind, id: sessionId });
  const server: EditServer = {
    current: () => client.getQueryData<Mindmap | null>(key) ?? null,
    isTemporary: (error) => TEMPORARY.has(toApiError(error).kind),
    keep: (edits) => storeEdits({ kind, id: sessionId }, edits),
    send: async (operation, expectedSeq, version) => {
      const body = {
        operations: [operation],
        ...(expectedSeq === undefined ? {} : { expected_seq: expectedSeq }),
        ...(version ? { version } : {}),
      };
      // The request is completed also when the tab is closed meanwhile.
      const keepalive = JSON.stringify(body).length < MAX_KEPT_ALIVE_CHARS;
      if (kind === "joint") {
        const params = { path: { map_id: sessionId } };
        const { map, reports } = await unwrap(api.PATCH("/v1/maps/{map_id}", { params, body, keepalive }));
        return { mindmap: { ...map, session_id: map.id }, reports };
      }
      const params = { path: { session_id: sessionId } };
      return unwrap(api.PATCH("/v1/sessions/{session_id}/mindmap", { params, body, keepalive }));
    },
    onSaved: (reply, operation) => {
      // A version that was restored meanwhile is newer: it has this edit, or the server refuses it.
      const isOlder = (reply.mindmap.version ?? 0) < (server.current()?.version ?? 0);
      if (!isOlder) storeReply<Mindmap>(client, key, reply.mindmap);
      if (isOlder || !reply.mindmap.data) server.reload();
      void client.invalidateQueries({ queryKey: ["versions", sessionId] });
      const refused = reply.reports.find((report) => report.status === "not_applied");
      if (refused) toast(t.edit.refused[refused.reason ?? ""] ?? refused.sentence, undefined, EDIT);
      else if (operation.op === "undo") toast(t.edit.undone, undefined, EDIT);
      else if (operation.op === "redo") toast(t.edit.redone, undefined, EDIT);
    },
    reload: () => void client.invalidateQueries({ queryKey: key }),
    // After the end of a login the sign-in page says what is to be done.
    onWaiting: (num) => currentLogin().state === "in" && toast(t.edit.waiting(num)),
    onResumed: (num) => toast(t.edit.resumed(num)),
    onFailed: (error, lost) => {
      const again = () => void client.refetchQueries({ queryKey: key }).then(() => getQueue().run(...lost));
      if (toApiError(error).kind === "conflict") {
        server.reload();
        toast(t.edit.conflict, { label: t.edit.applyAnyway, run: again }, EDIT);
      } else toast(`${t.edit.failed} ${errorMessage(error, t)}`, { label: t.common.retry, run: again }, EDIT);
    },
  };
  return server;
}

/**
 * Sends the edits of a map that a page left behind when it was closed. Returns false when the map cannot be loaded now.
 * A map that is deleted, or of another account, keeps its edits here.
 */
export async function resumeEdits({ kind, id }: MapOwner, client: QueryClient, t: Messages): Promise<boolean> {
  try {
    await (kind === "joint" ? client.ensureQueryData(jointMapQuery(id)) : client.ensureQueryData(mindmapQuery(id)));
  } catch (error) {
    return !TEMPORARY.has(toApiError(error).kind);
  }
  const queue: EditQueue = queueFor(
    id,
    editServer(id, client, t, () => queue, kind),
  );
  for (const edits of takeAbandonedEdits(id)) queue.resume(edits);
  return true;
}

/** The label of a node in a map document. */
function labelIn(document: unknown, id: string | null | undefined): string {
  const nodes = isRecord(document) && Array.isArray(document.nodes) ? document.nodes : [];
  const node = nodes.find((each) => isRecord(each) && each.id === id);
  return isRecord(node) ? String(node.label) : "";
}

/** What the toast says about an edit. */
function describe(operation: OperationBody, document: unknown, t: Messages) {
  const { op, node_id, node_ids, parent_id, label, hidden, offset, position } = operation;
  const name = labelIn(document, node_id);
  if (op === "rename" && label) return t.edit.did.rename(label);
  if (op === "move") return t.edit.did.move(name, labelIn(document, parent_id));
  if (op === "merge" && node_ids)
    return t.edit.did.merge(labelIn(document, node_ids[1]), labelIn(document, node_ids[0]));
  if (op === "place") return offset ? t.edit.did.place(name) : t.edit.did.resetPlace(name);
  if (op === "pin" && position) return t.edit.did.place(name);
  if (op === "hide" && hidden !== false) return t.edit.did.hide(name);
  if (op === "delete") return t.edit.did.remove(name);
  if ((op === "add_node" || op === "split") && label) return t.edit.did.add(label);
  return t.edit.saved;
}

function dropOperation(id: string, target: DropTarget): OperationBody {
  if (target.kind === "place") return placeOperation(id, target.place);
  if (target.kind === "merge") return { op: "merge", node_ids: [target.id, id] };
  return { op: "move", node_id: id, parent_id: target.id };
}

function placeOperation(id: string, place: FreePlace): OperationBody {
  return place.layout === "galaxy"
    ? { op: "pin", node_id: id, pinned: true, position: place.position }
    : { op: "place", node_id: id, layout: place.layout, offset: place.offset };
}

export function useEdits(sessionId: string, kind: MapOwner["kind"] = "session"): Edits {
  const t = useMessages();
  const client = useQueryClient();
  const isAvailable = hasFeature("/v1/sessions/{session_id}/mindmap", "patch");
  const ofSession = useQuery({ ...mindmapQuery(sessionId), enabled: false }).data?.edits;
  const ofJointMap = useQuery({ ...jointMapQuery(sessionId), enabled: false }).data?.edits;
  const state = kind === "joint" ? ofJointMap : ofSession;
  const server = editServer(sessionId, client, t, () => queue, kind);
  const queue: EditQueue = queueFor(sessionId, server);
  useEffect(() => {
    queue.server = server;
  });
  const isLoaded = state !== undefined;
  useEffect(() => {
    if (isLoaded) for (const edits of takeAbandonedEdits(sessionId)) queue.resume(edits);
  }, [isLoaded, sessionId, queue]);
  const pending = useSyncExternalStore(queue.subscribe, queue.snapshot);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the preview changes with the edits that are not saved yet
  const preview = useCallback((document: unknown) => queue.preview(document), [queue, pending]);

  const run = (operation: OperationBody) => {
    const shown = queue.preview(server.current()?.data);
    const isStep = operation.op === "undo" || operation.op === "redo";
    queue.run({ ...operation, op_id: uuid() });
    // The undo of the shown message would now undo another edit.
    if (isStep) dismissToast(EDIT);
    else toast(describe(operation, shown, t), { label: t.common.undo, run: () => run({ op: "undo" }) }, EDIT);
  };
  const noteSaved = (version: number, seq: number) => {
    queue.latest = { version, seq };
    queue.reloadIfOutdated();
  };
  const inEffect = pending.reduce((count, { op }) => count + (op === "undo" ? -1 : 1), state?.num_in_effect ?? 0);
  const last = pending.at(-1)?.op;
  return {
    isAvailable,
    isSaving: pending.length > 0,
    numWaiting: queue.isWaiting ? pending.length : 0,
    canUndo: inEffect > 0,
    canRedo: last === undefined ? (state?.can_redo ?? false) : last === "undo",
    run,
    rename: (id, label) => run({ op: "rename", node_id: id, label }),
    move: (model, id, parent) => {
      if (canMove(model, id, parent)) run({ op: "move", node_id: id, parent_id: parent });
    },
    drop: (id, target) => run(dropOperation(id, target)),
    undo: () => run({ op: "undo" }),
    redo: () => run({ op: "redo" }),
    idOf: (id) => queue.idOf(id),
    preview,
    noteSaved,
  };
}
