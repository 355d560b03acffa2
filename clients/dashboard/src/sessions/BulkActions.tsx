import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { unwrap } from "@trailmind/api";
import { Combine, Download, Trash2, X } from "lucide-react";
import { api, download } from "~/api/client";
import { isOpen, type Session } from "~/api/queries";
import { useMessages } from "~/i18n";
import { IconButton } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import "./BulkActions.css";

/** What can be done with all chosen sessions at once. */
export function BulkActions({ sessions, onClear }: { sessions: readonly Session[]; onClear: () => void }) {
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
  if (sessions.length === 0) return null;
  const path = (id: string) => ({ params: { path: { session_id: id } } });
  const each = async (act: (id: string) => Promise<unknown>, done: () => void) => {
    // One failure does not keep the others from being tried.
    const outcomes = await Promise.allSettled(sessions.map((session) => act(session.id)));
    await client.invalidateQueries({ queryKey: ["sessions"] });
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure) toast(errorMessage(failure.reason, t));
    else done();
  };
  const restore = () =>
    void each(
      (id) => unwrap(api.POST("/v1/sessions/{session_id}/restore", path(id))),
      () => toast(t.sessions.restored),
    );
  const remove = () => {
    onClear();
    void each(
      (id) => unwrap(api.DELETE("/v1/sessions/{session_id}", { ...path(id), keepalive: true })),
      () => toast(t.sessions.deletedMany(sessions.length), { label: t.common.undo, run: restore }),
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
  return (
    <div className="bulk" role="toolbar" aria-label={t.sessions.bulk}>
      <span className="grow tnum" role="status">
        {t.sessions.chosen(sessions.length)}
      </span>
      <button
        type="button"
        className="button"
        disabled={combine.isPending || closed.length < 2}
        onClick={() => combine.mutate()}
      >
        <Combine size={16} />
        {t.maps.combine}
      </button>
      <button type="button" className="button" onClick={() => void save()}>
        <Download size={16} />
        {t.export.formats.markdown ?? "Markdown"}
      </button>
      <button type="button" className="button danger" onClick={remove}>
        <Trash2 size={16} />
        {t.common.delete}
      </button>
      <IconButton label={t.common.clear} onClick={onClear}>
        <X size={18} />
      </IconButton>
    </div>
  );
}
