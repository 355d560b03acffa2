import { Plus } from "lucide-react";
import { type ReactNode, Suspense, useState } from "react";
import { useMessages } from "~/i18n";
import type { MapEditing } from "~/map/map-props";
import type { MapModel } from "~/map/model";
import { IconButton } from "~/ui/basics";
import { lazyPart } from "~/ui/lazyPart";
import { canMerge, canMove, type Edits } from "./edits";

const RenameDialog = lazyPart(() => import("./EditDialogs"), "RenameDialog");

/** What the pointer and the keyboard edit on a map, the button for a new topic, and the dialog that it opens. */
export function useMapEditing(
  model: MapModel | null,
  edits: Edits | null,
  renamingId: string | null,
  onRename: (id: string | null) => void,
): { editing: MapEditing | null; newTopicButton: ReactNode; newTopicDialog: ReactNode } {
  const t = useMessages();
  const [isAdding, setAdding] = useState(false);
  if (!model || !edits) return { editing: null, newTopicButton: null, newTopicDialog: null };
  const addTopic = () => setAdding(true);
  const editing: MapEditing = {
    renamingId,
    startRename: onRename,
    endRename: (label) => {
      if (label && renamingId) edits.rename(renamingId, label);
      onRename(null);
    },
    dropOn: (id, target, kind) =>
      (kind === "merge" ? canMerge : canMove)(model, id, target) ? { kind, id: target } : null,
    drop: edits.drop,
    addTopic,
  };
  return {
    editing,
    newTopicButton: (
      <IconButton label={t.edit.newTopic} onClick={addTopic}>
        <Plus size={17} />
      </IconButton>
    ),
    newTopicDialog: (
      <Suspense fallback={null}>
        {isAdding && (
          <RenameDialog
            title={t.edit.newTopic}
            onClose={() => setAdding(false)}
            onSave={(label) => edits.run({ op: "add_node", parent_id: model.root.id, type: "topic", label })}
          />
        )}
      </Suspense>
    ),
  };
}
