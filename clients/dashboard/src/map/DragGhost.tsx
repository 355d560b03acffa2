import { GitMerge, MoveRight } from "lucide-react";
import { useMessages } from "~/i18n";
import type { Drag } from "./flat-map-props";
import type { MapModel } from "./model";

/** The dragged label at the pointer, and what letting it go would do. */
export function DragGhost({ drag, model, hasPlaces }: { drag: Drag; model: MapModel; hasPlaces: boolean }) {
  const t = useMessages();
  const node = model.byId.get(drag.id);
  if (!node) return null;
  const { target: drop } = drag;
  const target = drop && drop.kind !== "place" ? model.byId.get(drop.id) : undefined;
  const isMerge = drop?.kind === "merge";
  const [pageHint, topicHint] = hasPlaces
    ? [t.edit.dragHint, t.edit.dragHintTopic]
    : [t.edit.dragHintRow, t.edit.dragHintTopicRow];
  const hint = (node.type === "page" ? pageHint : topicHint)(node.label);
  return (
    <div
      className={`map-ghost ${drop?.kind ?? ""}`}
      data-hue={model.hueOf(node.id) ?? "none"}
      style={{ transform: `translate(${drag.x + 12}px, ${drag.y + 10}px)` }}
    >
      <b>{node.label}</b>
      <span role="status">
        {target && (isMerge ? <GitMerge size={14} aria-hidden /> : <MoveRight size={14} aria-hidden />)}
        {target
          ? isMerge
            ? t.edit.dragMerge(node.label, target.label)
            : t.edit.drag(node.label, target.label)
          : drop
            ? t.edit.dragPlace
            : hint}
      </span>
    </div>
  );
}
