/** Edits of a map as operations. Each is one request and one undo step, and is applied again to later versions. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type OperationBody, toApiError, unwrap, uuid } from "@trailmind/api";
import { api } from "~/api/client";
import { optionalQuery } from "~/api/queries";
import { useMessages } from "~/i18n";
import type { MapModel } from "~/map/model";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { hasFeature } from "./features";

export interface Edits {
  isAvailable: boolean;
  canUndo: boolean;
  canRedo: boolean;
  run: (operation: OperationBody) => void;
  rename: (id: string, label: string) => void;
  move: (model: MapModel, id: string, parent: string) => void;
  undo: () => void;
  redo: () => void;
}

/** A node can move to every topic or subtopic except its parent, itself and its descendants. */
export function canMove(model: MapModel, id: string, parent: string): boolean {
  if (id === parent || id === model.root.id || model.parent.get(id) === parent) return false;
  for (let at: string | undefined = parent; at !== undefined; at = model.parent.get(at)) if (at === id) return false;
  return model.byId.get(parent)?.type !== "page";
}

/** A topic can be split when it has more than one child. */
export function canSplit(model: MapModel, id: string): boolean {
  return (model.children.get(id)?.length ?? 0) > 1;
}

export function useEdits(sessionId: string, version: number): Edits {
  const t = useMessages();
  const client = useQueryClient();
  const path = { session_id: sessionId };
  const isAvailable = hasFeature("/v1/sessions/{session_id}/mindmap", "patch");
  const log = useQuery({
    ...optionalQuery(["edits", sessionId], () =>
      unwrap(api.GET("/v1/sessions/{session_id}/mindmap/edits", { params: { path, query: { limit: 1 } } })),
    ),
    enabled: isAvailable && version > 0,
  });
  const change = useMutation({
    mutationFn: (operation: OperationBody) => {
      const identified =
        operation.op === "undo" || operation.op === "redo" ? operation : { ...operation, op_id: uuid() };
      return unwrap(
        api.PATCH("/v1/sessions/{session_id}/mindmap", {
          params: { path },
          body: { operations: [identified], ...(version ? { version } : {}) },
        }),
      );
    },
    onSuccess: (reply, operation) => {
      void client.invalidateQueries({ queryKey: ["edits", sessionId] });
      if (reply.mindmap.data) client.setQueryData(["mindmap", sessionId], reply.mindmap);
      else void client.invalidateQueries({ queryKey: ["mindmap", sessionId] });
      void client.invalidateQueries({ queryKey: ["versions", sessionId] });
      const refused = reply.reports.find((report) => report.status === "not_applied");
      if (refused) toast(t.edit.refused[refused.reason ?? ""] ?? refused.sentence);
      else if (operation.op === "undo") toast(t.edit.undone);
      else if (operation.op === "redo") toast(t.edit.redone);
      else toast(t.edit.saved, { label: t.common.undo, run: () => change.mutate({ op: "undo" }) });
    },
    onError: (error) => {
      if (toApiError(error).kind === "conflict") {
        void client.invalidateQueries({ queryKey: ["mindmap", sessionId] });
        toast(t.edit.conflict);
      } else toast(`${t.edit.failed} ${errorMessage(error, t)}`);
    },
  });
  return {
    isAvailable,
    canUndo: (log.data?.can_undo ?? false) && !change.isPending,
    canRedo: (log.data?.can_redo ?? false) && !change.isPending,
    run: (operation) => change.mutate(operation),
    rename: (id, label) => change.mutate({ op: "rename", node_id: id, label }),
    move: (model, id, parent) => {
      if (canMove(model, id, parent)) change.mutate({ op: "move", node_id: id, parent_id: parent });
    },
    undo: () => change.mutate({ op: "undo" }),
    redo: () => change.mutate({ op: "redo" }),
  };
}
