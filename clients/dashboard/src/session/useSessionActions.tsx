/** What the command palette can do with the session in front. */
import { useNavigate } from "@tanstack/react-router";
import { Download, History, Pencil, RefreshCw, Share2, Trash2 } from "lucide-react";
import { useMemo } from "react";
import { download } from "~/api/client";
import type { Session } from "~/api/queries";
import { useMessages } from "~/i18n";
import { type PaletteAction, useOfferedActions } from "~/search/palette-actions";
import { useDelete } from "~/sessions/useDelete";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { FORMATS, hasFeature } from "./features";
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
    const exports = FORMATS.map((format) => ({
      key: `export-${format}`,
      label: `${t.export.title}: ${t.export.formats[format] ?? format}`,
      icon: <Download size={16} />,
      run: () =>
        void download(
          `/v1/sessions/${session.id}/export?format=${format}`,
          `trailmind-${session.id.slice(0, 8)}.${format}`,
        ).catch((error: unknown) => toast(errorMessage(error, t))),
    }));
    const item = (key: string, label: string, icon: PaletteAction["icon"], run: () => void) => ({
      key,
      label,
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
            ...exports,
          ]
        : []),
      item("delete-session", t.common.delete, <Trash2 size={16} />, () => remove(session)),
    ];
  }, [t, session, hasMap, onPanel, onRename, remove]);
  useOfferedActions(actions);
}
