import { useKeyDown } from "~/ui/useKeyDown";
import type { Edits } from "./edits";

/** Ctrl/⌘ Z undoes the last edit; with Shift it is redone. */
export function useUndoKeys(edits: Edits): void {
  useKeyDown((event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    if (event.shiftKey ? !edits.canRedo : !edits.canUndo) return;
    event.preventDefault();
    if (event.shiftKey) edits.redo();
    else edits.undo();
  });
}
