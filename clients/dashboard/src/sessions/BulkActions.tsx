import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { unwrap } from "@trailmind/api";
import { Combine, Download, Trash2, X } from "lucide-react";
import { api, download } from "~/api/client";
import { isOpen, type Session } from "~/api/queries";
import { useMessages } from "~/i18n";
import { useOfferedActions } from "~/search/palette-actions";
import { IconButton } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { takeOutOfLists } from "./useDelete";
import "./BulkActions.css";

interface Props {
  sessions: readonly Session[];
  onClear: () => void;
}

/** What can be done with all chosen sessions at once, here and in the command palette. */
export function BulkActions(props: Props) {
  return props.sessions.length > 0 && <Toolbar {...props} />;
}

function Toolbar({ sessions, onClear }: Props) {
  const t = useMessages();
  const client = useQueryClient();
  const navigate = useNavigate();
  // A session that records has no finished pages to put on a map.
  const closed = sessions.filter((session) => !isOpen(session.session_status));
  const combine = useMutation({
    mutationFn: () => unwrap(api.POST("/v1/maps", { body: { session_ids: closed.map((session) => session.id) } })),
    onSuccess: ({ map }) => {
      void client.invalidateQueries({ queryKey: ["joint-maps"] });
      return navigate({ to: "/maps/$id", params: { id: map.id } });
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  const path = (id: string) => ({ params: { path: { session_id: id } } });
  const each = async (
    act: (id: string) => Promise<unknown>,
    done: () => void,
    failed?: (ids: ReadonlySet<string>) => void,
  ) => {
    // One failure does not keep the others from being tried.
    const outcomes = await Promise.allSettled(sessions.map((session) => act(session.id)));
    const failures = outcomes.flatMap((outcome, i) =>
      outcome.status === "rejected" ? [{ id: sessions[i]?.id ?? "", reason: outcome.reason }] : [],
    );
    if (failures.length > 0) failed?.(new Set(failures.map(({ id }) => id)));
    // What the user is told does not wait for the lists.
    void client.invalidateQueries({ queryKey: ["sessions"] });
    if (failures[0]) toast(errorMessage(failures[0].reason, t));
    else done();
  };
  const restore = () =>
    void each(
      (id) => unwrap(api.POST("/v1/sessions/{session_id}/restore", path(id))),
      () => toast(t.sessions.restored),
    );
  const remove = async () => {
    onClear();
    const putBack = await takeOutOfLists(client, new Set(sessions.map((session) => session.id)));
    await each(
      (id) => unwrap(api.DELETE("/v1/sessions/{session_id}", { ...path(id), keepalive: true })),
      () => toast(t.sessions.deletedMany(sessions.length), { label: t.common.undo, run: restore }),
      (ids) => putBack((id) => ids.has(id)),
    );
  };
  const save = async () => {
    try {
      // One after the other: browsers block several downloads that begin at once.
      for (const { id } of sessions)
        await download(`/v1/sessions/${id}/export?format=markdown`, `trailmind-${id.slice(0, 8)}.md`);
    } catch (error) {
      toast(errorMessage(error, t));
    }
  };
  const note = t.sessions.chosen(sessions.length);
  const combining = { key: "combine", label: t.maps.combine, note, icon: <Combine size={16} />, run: combine.mutate };
  const saving = {
    key: "save",
    label: t.export.formats.markdown ?? "Markdown",
    note,
    icon: <Download size={16} />,
    run: () => void save(),
  };
  const removing = {
    key: "delete",
    label: t.common.delete,
    note,
    icon: <Trash2 size={16} />,
    run: () => void remove(),
  };
  const canCombine = closed.length >= 2 && !combine.isPending;
  useOfferedActions(canCombine ? [combining, saving, removing] : [saving, removing]);
  return (
    <div className="bulk" role="toolbar" aria-label={t.sessions.bulk}>
      <span className="grow tnum" role="status">
        {note}
      </span>
      {[combining, saving, removing].map((action) => (
        <button
          key={action.key}
          type="button"
          className={action === removing ? "button danger" : "button"}
          disabled={action === combining && !canCombine}
          onClick={() => action.run()}
        >
          {action.icon}
          {action.label}
        </button>
      ))}
      <IconButton label={t.common.clear} onClick={onClear}>
        <X size={18} />
      </IconButton>
    </div>
  );
}
