import { EyeOff, GitMerge, Link2, MoveRight, Pencil, Pin, PinOff, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { useWords } from "~/i18n";
import type { MapModel, MapNode } from "~/map/model";
import { IconButton } from "~/ui/basics";
import { Menu, type MenuEntry } from "~/ui/overlays";
import { ChooseDialog, RenameDialog } from "./EditDialogs";
import { canMove, type Edits } from "./edits";

type Asked = "rename" | "move" | "merge" | "link" | "add" | null;

/** What may be done to a node. Every act is one undo step. */
export function EditActions({ node, model, edits }: { node: MapNode; model: MapModel; edits: Edits }) {
  const t = useWords();
  const [asked, setAsked] = useState<Asked>(null);
  const close = () => setAsked(null);
  const targets = model.nodes.filter((each) => each.type === "topic" || each.type === "subtopic");
  const others = targets.filter((each) => each.id !== node.id);
  const isTopic = node.type === "topic" || node.type === "subtopic";
  const more: MenuEntry[] = [
    { kind: "item", label: t.edit.link, icon: <Link2 size={16} />, onPick: () => setAsked("link") },
    ...(isTopic ? [{ kind: "item", label: t.edit.add, icon: <Plus size={16} />, onPick: () => setAsked("add") } as const] : []),
    { kind: "item", label: t.edit.hide, icon: <EyeOff size={16} />, onPick: () => edits.run({ op: "hide", node_id: node.id, hidden: true }) },
    { kind: "line" },
    { kind: "item", label: t.edit.remove, icon: <Trash2 size={16} />, isDanger: true, onPick: () => edits.run({ op: "delete", node_id: node.id }) },
  ];
  return (
    <div className="row" role="group" aria-label={t.edit.title}>
      <IconButton label={t.edit.rename} onClick={() => setAsked("rename")}><Pencil size={16} /></IconButton>
      <IconButton label={t.edit.move} onClick={() => setAsked("move")}><MoveRight size={16} /></IconButton>
      {isTopic && <IconButton label={t.edit.merge} onClick={() => setAsked("merge")}><GitMerge size={16} /></IconButton>}
      <IconButton label={node.data.pinned ? t.edit.unpin : t.edit.pin} aria-pressed={node.data.pinned} onClick={() => edits.run({ op: "pin", node_id: node.id, pinned: !node.data.pinned })}>
        {node.data.pinned ? <PinOff size={16} /> : <Pin size={16} />}
      </IconButton>
      <Menu trigger={<IconButton label={t.common.more}><Plus size={16} /></IconButton>} entries={more} />
      {asked === "rename" && <RenameDialog node={node} onClose={close} onSave={(label) => edits.rename(node.id, label)} />}
      {asked === "add" && <RenameDialog title={t.edit.add} onClose={close} onSave={(label) => edits.run({ op: "add_node", parent_id: node.id, type: "page", label })} />}
      {asked === "move" && <ChooseDialog title={t.edit.move} model={model} choices={(node.type === "subtopic" ? [model.root, ...targets] : targets).filter((each) => canMove(model, node.id, each.id))} onClose={close} onChoose={(id) => edits.move(model, node.id, id)} />}
      {asked === "merge" && <ChooseDialog title={t.edit.merge} model={model} choices={others.filter((each) => each.type === node.type)} onClose={close} onChoose={(id) => edits.run({ op: "merge", node_ids: [id, node.id] })} />}
      {asked === "link" && <ChooseDialog title={t.edit.link} model={model} choices={others} onClose={close} onChoose={(id) => edits.run({ op: "add_edge", source: node.id, target: id })} />}
    </div>
  );
}
