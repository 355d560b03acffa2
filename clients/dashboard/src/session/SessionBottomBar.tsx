import { Link } from "@tanstack/react-router";
import { ArrowLeft, Ellipsis, ListTree, Map as MapIcon } from "lucide-react";
import { useMessages } from "~/i18n";
import { Menu } from "~/ui/Menu";
import type { MenuEntry } from "~/ui/menu-types";
import type { Edits } from "./edits";
import { hasFeature } from "./features";
import type { PanelName } from "./panel-name";
import type { View } from "./search-params";

/** The first link of the bar, also on a page whose session is not loaded. */
export function ToSessions() {
  const t = useMessages();
  return (
    <Link to="/sessions" activeOptions={{ exact: true }}>
      <ArrowLeft size={20} />
      {t.nav.sessions}
    </Link>
  );
}

/** On a phone: the switch between timeline and map, and a menu with what the header shows on larger screens. */
export function SessionBottomBar({
  view,
  edits,
  hasMap,
  onView,
  onPanel,
}: {
  view: View;
  edits: Edits;
  hasMap: boolean;
  onView: (view: View) => void;
  onPanel: (panel: PanelName) => void;
}) {
  const t = useMessages();
  const item = (label: string, onPick: () => void): MenuEntry => ({ kind: "item", label, onPick });
  const editEntries: MenuEntry[] = [
    ...(edits.canUndo ? [item(t.common.undo, edits.undo)] : []),
    ...(edits.canRedo ? [item(t.common.redo, edits.redo)] : []),
    item(t.map.regenerate, () => onPanel("regenerate")),
    { kind: "line" },
  ];
  return (
    <nav className="bottom-bar" aria-label={t.nav.main}>
      <ToSessions />
      <button type="button" aria-pressed={view === "timeline"} onClick={() => onView("timeline")}>
        <ListTree size={20} />
        {t.nav.timeline}
      </button>
      <button type="button" aria-pressed={view === "map"} onClick={() => onView("map")}>
        <MapIcon size={20} />
        {t.nav.map}
      </button>
      <Menu
        trigger={
          <button type="button">
            <Ellipsis size={20} />
            {t.nav.more}
          </button>
        }
        entries={[
          ...(edits.isAvailable && hasMap ? editEntries : []),
          item(t.score.title, () => onPanel("score")),
          item(t.leftOut.title, () => onPanel("left-out")),
          item(t.receipt.title, () => onPanel("receipt")),
          item(t.disclosure.title, () => onPanel("disclosures")),
          ...(hasFeature("/v1/sessions/{session_id}/mindmap/versions")
            ? [item(t.versions.title, () => onPanel("versions"))]
            : []),
          item(t.share.title, () => onPanel("share")),
        ]}
      />
    </nav>
  );
}
