/** What the command palette can do with the session in front. */
import { useNavigate } from "@tanstack/react-router";
import { History, Pencil, RefreshCw, Share2, Trash2 } from "lucide-react";
import { useMemo } from "react";
import type { Session } from "~/api/queries";
import { useMessages } from "~/i18n";
import { type PaletteAction, useOfferedActions } from "~/search/palette-actions";
import { useDelete } from "~/sessions/useDelete";
import { exportActions } from "./export-actions";
import { hasFeature } from "./features";
import type { PanelName } from "./panel-name";

export function useSessionActions(
  session: Session,
  hasMap: boolean,
  onPanel: (panel: PanelName) => void,
  onRename: () => void,
): void {
  const t = useMessages();
  const navigate = useNavigate();
  const { mutate: remove } = useDelete(() => void navigate({ to: "/sessions" }));
  const actions = useMemo((): PaletteAction[] => {
    const note = t.search.thisSession;
    const item = (key: string, label: string, icon: PaletteAction["icon"], run: () => void) => ({
      key,
      label,
      note,
      icon,
      run,
    });
    return [
      item("rename-session", t.session.edit, <Pencil size={16} />, onRename),
      ...(hasFeature("/v1/sessions/{session_id}/shares")
        ? [item("share", t.share.title, <Share2 size={16} />, () => onPanel("share"))]
        : []),
      ...(hasMap
        ? [
            item("regenerate", t.map.regenerate, <RefreshCw size={16} />, () => onPanel("regenerate")),
            item("versions", t.versions.title, <History size={16} />, () => onPanel("versions")),
            ...exportActions({ kind: "session", id: session.id }, note, t),
          ]
        : []),
      item("delete-session", t.common.delete, <Trash2 size={16} />, () => remove(session)),
    ];
  }, [t, session, hasMap, onPanel, onRename, remove]);
  useOfferedActions(actions);
}
