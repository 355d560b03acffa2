import { type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";
import { unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import type { Session } from "~/api/queries";
import { language, useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { sessionName } from "./session-name";

/** A loaded list, page by page. */
interface LoadedList {
  pages: { sessions: Session[]; total: number }[];
}

/**
 * Takes sessions out of all loaded lists, before the server has answered. Returns how those that stay are put back: with
 * the server gone, the lists cannot be read again.
 */
export async function takeOutOfLists(
  client: QueryClient,
  ids: ReadonlySet<string>,
): Promise<(isBack: (id: string) => boolean) => void> {
  const lists = { queryKey: ["sessions"] };
  // An answer from before the deletion would show them again.
  await client.cancelQueries(lists);
  const before = client.getQueriesData<LoadedList>(lists);
  const show = (isGone: (id: string) => boolean) => {
    for (const [key, list] of before) if (list?.pages) client.setQueryData(key, without(list, isGone));
  };
  show((id) => ids.has(id));
  return (isBack) => show((id) => ids.has(id) && !isBack(id));
}

function without(list: LoadedList, isGone: (id: string) => boolean): LoadedList {
  const numGone = list.pages.flatMap((page) => page.sessions).filter((session) => isGone(session.id)).length;
  return {
    ...list,
    pages: list.pages.map((page) => ({
      ...page,
      total: page.total - numGone,
      sessions: page.sessions.filter((session) => !isGone(session.id)),
    })),
  };
}

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
    onMutate: (session) => takeOutOfLists(client, new Set([session.id])),
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
    onError: (error, _, putBack) => {
      putBack?.(() => true);
      toast(errorMessage(error, t));
    },
    onSettled: refresh,
  });
}
