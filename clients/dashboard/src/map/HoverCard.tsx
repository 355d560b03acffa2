import { duration } from "@trailmind/api";
import { useLanguage, useMessages } from "~/i18n";
import type { MapNode } from "./model";
import "./HoverCard.css";

/** The full label of the hovered node, and the numbers that its size is computed from. */
export function HoverCard({
  node,
  at,
  box,
}: {
  node: MapNode;
  at: readonly [number, number];
  box: HTMLElement | null;
}) {
  const t = useMessages();
  const language = useLanguage();
  const bounds = box?.getBoundingClientRect();
  if (!bounds || at[0] < bounds.left || at[0] > bounds.right || at[1] < bounds.top || at[1] > bounds.bottom)
    return null;
  const { data } = node;
  const summary = t.evidence.minutes(
    duration(data.totalDuration, language),
    data.highlights.length,
    Math.max(0, data.visitCount - 1),
  );
  const [x, y] = [at[0] - bounds.left, at[1] - bounds.top];
  return (
    <div
      className="map-hover"
      role="tooltip"
      style={{
        left: Math.max(8, Math.min(x + 14, bounds.width - 268)),
        top: y > bounds.height - 110 ? y - 86 : y + 16,
      }}
    >
      <b>{node.label}</b>
      {node.type === "page" && data.host && <span className="muted">{data.host}</span>}
      {data.totalDuration > 0 && (
        <span className="muted tnum">{node.type === "page" ? summary : duration(data.totalDuration, language)}</span>
      )}
    </div>
  );
}
