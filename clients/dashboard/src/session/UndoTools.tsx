import { Redo2, Undo2 } from "lucide-react";
import { type Messages, useMessages } from "~/i18n";
import { IconButton } from "~/ui/basics";
import type { MenuEntry } from "~/ui/menu-types";
import type { Edits } from "./edits";

/** Undo and redo of the edits of a map. */
export function UndoTools({ edits }: { edits: Edits }) {
  const t = useMessages();
  return (
    <>
      <IconButton label={t.common.undo} disabled={!edits.canUndo} onClick={() => edits.undo()}>
        <Undo2 size={17} />
      </IconButton>
      <IconButton label={t.common.redo} disabled={!edits.canRedo} onClick={() => edits.redo()}>
        <Redo2 size={17} />
      </IconButton>
    </>
  );
}

/** The same as entries of a menu. */
export function undoEntries(edits: Edits, t: Messages): MenuEntry[] {
  const entries: MenuEntry[] = [];
  if (edits.canUndo)
    entries.push({ kind: "item", label: t.common.undo, icon: <Undo2 size={16} />, onPick: edits.undo });
  if (edits.canRedo)
    entries.push({ kind: "item", label: t.common.redo, icon: <Redo2 size={16} />, onPick: edits.redo });
  return entries;
}
