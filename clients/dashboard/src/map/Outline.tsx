/** The map as text: the same nodes as an ARIA tree, for arrow keys and screen readers. */
import { duration } from "@trailmind/api";
import { ChevronRight } from "lucide-react";
import { useEffect, useRef } from "react";
import { useLanguage, useMessages } from "~/i18n";
import type { MapProps } from "./map-props";
import { type MapNode, subtree } from "./model";
import "./Outline.css";

export function Outline({
  model,
  selected,
  collapsed,
  matches,
  onSelect,
  onToggle,
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
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`)?.focus());
  };
  const onKeyDown = (event: React.KeyboardEvent, id: string) => {
    const at = order.indexOf(id);
    const hasChildren = (model.children.get(id)?.length ?? 0) > 0;
    if (event.key === "ArrowDown") focus(order[at + 1]);
    else if (event.key === "ArrowUp") focus(order[at - 1]);
    else if (event.key === "Home") focus(order[0]);
    else if (event.key === "End") focus(order.at(-1));
    else if (event.key === "ArrowRight")
      hasChildren && collapsed.has(id) ? onToggle(id) : focus(model.children.get(id)?.[0]);
    else if (event.key === "ArrowLeft")
      hasChildren && !collapsed.has(id) && id !== model.root.id ? onToggle(id) : focus(model.parent.get(id));
    else if (event.key === "Enter" || event.key === " ") onSelect(id);
    else return;
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
            onDoubleClick={() => onToggle(id)}
            onKeyDown={(event) => onKeyDown(event, id)}
          >
            {children > 0 ? (
              <ChevronRight
                size={15}
                className={collapsed.has(id) ? "" : "open"}
                aria-hidden
                onClick={(event) => {
                  event.stopPropagation();
                  onToggle(id);
                }}
              />
            ) : (
              <i className="dot" />
            )}
            <span className="grow">
              {node.label}
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
