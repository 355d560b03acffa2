import { Redo2, Undo2 } from "lucide-react";
import { useMessages } from "~/i18n";
import { IconButton } from "~/ui/basics";
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
