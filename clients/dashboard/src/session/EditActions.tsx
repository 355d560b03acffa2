import {
  Ellipsis,
  EyeOff,
  GitMerge,
  Link2,
  MoveRight,
  Pencil,
  Pin,
  PinOff,
  Plus,
  RotateCcw,
  Split,
  Trash2,
  Unlink,
} from "lucide-react";
import { type ReactNode, Suspense, useState } from "react";
import { useMessages } from "~/i18n";
import type { MapModel, MapNode } from "~/map/model";
import { IconButton } from "~/ui/basics";
import { lazyPart } from "~/ui/lazyPart";
import { Menu } from "~/ui/Menu";
import type { MenuEntry } from "~/ui/menu-types";
import { canMove, canSplit, type Edits } from "./edits";

const RenameDialog = lazyPart(() => import("./EditDialogs"), "RenameDialog");
const ChooseDialog = lazyPart(() => import("./EditDialogs"), "ChooseDialog");
const SplitDialog = lazyPart(() => import("./EditDialogs"), "SplitDialog");

type DialogName = "rename" | "move" | "merge" | "link" | "unlink" | "add" | "split" | null;

/** The edits of a node. Each is one undo step. */
export function EditActions({ node, model, edits }: { node: MapNode; model: MapModel; edits: Edits }) {
  const t = useMessages();
  const [dialog, setDialog] = useState<DialogName>(null);
  const close = () => setDialog(null);
  const isTopic = node.type === "topic" || node.type === "subtopic";
  const groups = model.nodes.filter((each) => each.type === "topic" || each.type === "subtopic");
  const others = groups.filter((each) => each.id !== node.id);
  const mergeable = others.filter((each) => each.type === node.type);
  const destinations = (node.type === "subtopic" ? [model.root, ...groups] : groups).filter((each) =>
    canMove(model, node.id, each.id),
  );
  const linked = model.cross.flatMap(
    (edge) => model.byId.get(edge.source === node.id ? edge.target : edge.target === node.id ? edge.source : "") ?? [],
  );
  const linkable = others.filter(
    (each) => !linked.includes(each) && model.parent.get(node.id) !== each.id && model.parent.get(each.id) !== node.id,
  );
  const item = (label: string, icon: ReactNode, onPick: () => void): MenuEntry => ({
    kind: "item",
    label,
    icon,
    onPick,
  });
  const more: MenuEntry[] = [
    ...(isTopic && canSplit(model, node.id) ? [item(t.edit.split, <Split size={16} />, () => setDialog("split"))] : []),
    ...(isTopic ? [item(t.edit.add, <Plus size={16} />, () => setDialog("add"))] : []),
    ...(linkable.length > 0 ? [item(t.edit.link, <Link2 size={16} />, () => setDialog("link"))] : []),
    ...(linked.length > 0 ? [item(t.edit.unlink, <Unlink size={16} />, () => setDialog("unlink"))] : []),
    ...(Object.keys(node.data.places ?? {}).length > 0
      ? [item(t.edit.resetPlace, <RotateCcw size={16} />, () => edits.run({ op: "place", node_id: node.id }))]
      : []),
    item(t.edit.hide, <EyeOff size={16} />, () => edits.run({ op: "hide", node_id: node.id, hidden: true })),
    { kind: "line" },
    {
      kind: "item",
      label: t.edit.remove,
      icon: <Trash2 size={16} />,
      isDanger: true,
      onPick: () => edits.run({ op: "delete", node_id: node.id }),
    },
  ];
  return (
    <div className="row edit-row" role="group" aria-label={t.edit.title}>
      <IconButton label={t.edit.rename} onClick={() => setDialog("rename")}>
        <Pencil size={16} />
      </IconButton>
      <IconButton label={t.edit.move} disabled={destinations.length === 0} onClick={() => setDialog("move")}>
        <MoveRight size={16} />
      </IconButton>
      {isTopic && (
        <IconButton label={t.edit.merge} disabled={mergeable.length === 0} onClick={() => setDialog("merge")}>
          <GitMerge size={16} />
        </IconButton>
      )}
      <IconButton
        label={node.data.pinned ? t.edit.unpin : t.edit.pin}
        aria-pressed={node.data.pinned}
        onClick={() => edits.run({ op: "pin", node_id: node.id, pinned: !node.data.pinned })}
      >
        {node.data.pinned ? <PinOff size={16} /> : <Pin size={16} />}
      </IconButton>
      <Menu
        trigger={
          <IconButton label={t.edit.more}>
            <Ellipsis size={16} />
          </IconButton>
        }
        entries={more}
      />
      <Suspense fallback={null}>
        {dialog === "rename" && (
          <RenameDialog
            node={node}
            title={t.edit.titles.rename(node.label)}
            onClose={close}
            onSave={(label) => edits.rename(node.id, label)}
          />
        )}
        {dialog === "add" && (
          <RenameDialog
            title={t.edit.titles.add(node.label)}
            onClose={close}
            onSave={(label) =>
              edits.run({
                op: "add_node",
                parent_id: node.id,
                type: node.type === "topic" ? "subtopic" : "page",
                label,
              })
            }
          />
        )}
        {dialog === "split" && (
          <SplitDialog
            node={node}
            model={model}
            onClose={close}
            onSave={(label, members) => edits.run({ op: "split", node_id: node.id, member_ids: members, label })}
          />
        )}
        {dialog === "move" && (
          <ChooseDialog
            title={t.edit.titles.move(node.label)}
            model={model}
            choices={destinations}
            onClose={close}
            onChoose={(id) => edits.move(model, node.id, id)}
          />
        )}
        {dialog === "merge" && (
          <ChooseDialog
            title={t.edit.titles.merge(node.label)}
            model={model}
            choices={mergeable}
            onClose={close}
            onChoose={(id) => edits.run({ op: "merge", node_ids: [id, node.id] })}
          />
        )}
        {dialog === "link" && (
          <ChooseDialog
            title={t.edit.titles.link(node.label)}
            model={model}
            choices={linkable}
            onClose={close}
            onChoose={(id) => edits.run({ op: "add_edge", source: node.id, target: id })}
          />
        )}
        {dialog === "unlink" && (
          <ChooseDialog
            title={t.edit.titles.unlink(node.label)}
            model={model}
            choices={linked}
            onClose={close}
            onChoose={(id) => edits.run({ op: "remove_edge", source: node.id, target: id })}
          />
        )}
      </Suspense>
    </div>
  );
}
