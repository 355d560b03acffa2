import { useMutation, useQueryClient } from "@tanstack/react-query";
import { unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import type { Session } from "~/api/queries";
import { language, useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { sessionName } from "./session-name";

/** Deletes a session at once and offers undo in a toast. The list is updated before the response. */
export function useDelete(onGone?: () => void) {
  const t = useMessages();
  const client = useQueryClient();
  const path = (id: string) => ({ params: { path: { session_id: id } } });
  const refresh = () => client.invalidateQueries({ queryKey: ["sessions"] });
  return useMutation({
    // Kept alive: the card disappears at once, and the user may leave the page before the response.
    mutationFn: (session: Session) =>
      unwrap(api.DELETE("/v1/sessions/{session_id}", { ...path(session.id), keepalive: true })),
    onMutate: (session) => {
      client.setQueriesData<{ pages: { sessions: Session[]; total: number }[] }>({ queryKey: ["sessions"] }, (old) =>
        old?.pages
          ? {
              ...old,
              pages: old.pages.map((p) => ({
                ...p,
                total: p.total - 1,
                sessions: p.sessions.filter((s) => s.id !== session.id),
              })),
            }
          : old,
      );
    },
    onSuccess: (_, session) => {
      onGone?.();
      const restore = async () => {
        try {
          await unwrap(api.POST("/v1/sessions/{session_id}/restore", path(session.id)));
          toast(t.sessions.restored);
        } catch (error) {
          toast(errorMessage(error, t));
        }
        await refresh();
      };
      toast(t.sessions.deleted(sessionName(session, language())), {
        label: t.common.undo,
        run: () => void restore(),
      });
    },
    onError: (error) => toast(errorMessage(error, t)),
    onSettled: refresh,
  });
}
