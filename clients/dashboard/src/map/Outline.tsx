/** The map as text: the same nodes as an ARIA tree, for arrow keys and screen readers. */
import { duration } from "@trailmind/api";
import { ChevronRight } from "lucide-react";
import { useEffect, useRef } from "react";
import { useLanguage, useMessages } from "~/i18n";
import type { MapProps } from "./map-props";
import { type MapNode, subtree } from "./model";
import { LabelInput } from "./RenameField";
import "./Outline.css";

export function Outline({
  model,
  selected,
  collapsed,
  matches,
  onSelect,
  onToggle,
  editing,
  topic,
}: MapProps & { topic: string | null }) {
  const t = useMessages();
  const language = useLanguage();
  const box = useRef<HTMLDivElement>(null);
  const only = topic ? subtree(model, topic) : null;
  const order: string[] = [];
  const walk = (id: string) => {
    if (only && id !== model.root.id && !only.has(id)) return;
    order.push(id);
    if (!collapsed.has(id)) for (const child of model.children.get(id) ?? []) walk(child);
  };
  walk(model.root.id);
  const current = selected && order.includes(selected) ? selected : model.root.id;

  useEffect(() => {
    if (selected)
      box.current?.querySelector(`[data-node="${CSS.escape(selected)}"]`)?.scrollIntoView({ block: "nearest" });
  }, [selected]);

  const focus = (id: string | undefined) => {
    if (!id) return;
    onSelect(id);
    requestAnimationFrame(() => {
      // A dialog that has opened meanwhile keeps the focus.
      if (!box.current?.contains(document.activeElement)) return;
      box.current.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`)?.focus();
    });
  };
  const onKeyDown = (event: React.KeyboardEvent, id: string) => {
    const at = order.indexOf(id);
    const hasChildren = (model.children.get(id)?.length ?? 0) > 0;
    const isOpen = hasChildren && !collapsed.has(id);
    const actions = new Map<string, () => void>([
      ["ArrowDown", () => focus(order[at + 1])],
      ["ArrowUp", () => focus(order[at - 1])],
      ["Home", () => focus(order[0])],
      ["End", () => focus(order.at(-1))],
      ["ArrowRight", () => (hasChildren && !isOpen ? onToggle(id) : focus(model.children.get(id)?.[0]))],
      ["ArrowLeft", () => (isOpen && id !== model.root.id ? onToggle(id) : focus(model.parent.get(id)))],
      ["Enter", () => onSelect(id)],
      [" ", () => onSelect(id)],
    ]);
    if (editing) actions.set("F2", () => editing.startRename(id));
    const action = actions.get(event.key);
    if (!action) return;
    action();
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div ref={box} className="outline" role="tree" aria-label={t.map.outline}>
      {order.map((id) => {
        const node = model.byId.get(id) as MapNode;
        const children = (model.children.get(id) ?? []).length;
        const depth = model.depth.get(id) ?? 0;
        return (
          <div
            key={id}
            data-node={id}
            data-hue={model.hueOf(id) ?? "none"}
            role="treeitem"
            tabIndex={id === current ? 0 : -1}
            aria-level={depth + 1}
            aria-selected={id === selected}
            aria-expanded={children > 0 ? !collapsed.has(id) : undefined}
            className={`outline-row ${node.type} ${matches.has(id) ? "match" : ""}`}
            style={{ paddingInlineStart: 12 + depth * 22 }}
            onClick={() => onSelect(id)}
            onDoubleClick={() => (editing ? editing.startRename(id) : onToggle(id))}
            onKeyDown={(event) => onKeyDown(event, id)}
          >
            {children > 0 ? (
              // The row itself is the accessible control: its arrow keys fold it.
              <span
                className="outline-fold"
                aria-hidden
                onClick={(event) => {
                  event.stopPropagation();
                  onToggle(id);
                }}
                onDoubleClick={(event) => event.stopPropagation()}
              >
                <ChevronRight size={15} className={collapsed.has(id) ? "" : "open"} />
              </span>
            ) : (
              <i className="dot" />
            )}
            <span className="grow">
              {editing?.renamingId === id ? <LabelInput label={node.label} onEnd={editing.endRename} /> : node.label}
              {node.type === "topic" && node.data.description && (
                <span className="outline-note muted">{node.data.description}</span>
              )}
            </span>
            {node.data.totalDuration > 0 && (
              <span className="small muted tnum">{duration(node.data.totalDuration, language)}</span>
            )}
          </div>
        );
      })}
    </div>
  );
}
