/** Places of nodes that the reader has chosen. The server draws its pictures by the same rules (`mindmap/render`). */
import type { MapModel, MapNode } from "./model";

export type FlatLayout = "tree" | "radial";

/**
 * A place as the server stores it: in the flat layouts an offset from the parent, in the galaxy a position in space. In
 * the tree, x is positive to the right for a topic, and away from the core for what is below one.
 */
export type FreePlace =
  | { layout: FlatLayout; offset: { x: number; y: number } }
  | { layout: "galaxy"; position: { x: number; y: number; z: number } };

/** The offset of a node from its parent, when the reader has chosen one in this layout. */
export function chosenOffset(node: MapNode, layout: FlatLayout): { x: number; y: number } | undefined {
  return node.data.places?.[layout];
}

/** How much larger than in the middle of the galaxy something at this depth is drawn on a flat picture of it. */
export function galaxyDepth(z: number): number {
  return 500 / (500 - Math.max(-300, Math.min(300, z)) * 0.6);
}

/** World units of a flat picture of the galaxy for one of the server's. */
export const GALAXY_UNIT = 1.6;
/** The server refuses larger offsets. */
const MAX_OFFSET = 10_000;

/** The place of a node that is put at `x`, `y` in the scene; null for a node that has no parent in it. */
export function placeAt(
  layout: FlatLayout | "galaxy",
  model: MapModel,
  scene: { byId: ReadonlyMap<string, { x: number; y: number; side: string }> },
  id: string,
  x: number,
  y: number,
): FreePlace | null {
  const node = model.byId.get(id);
  const parent = scene.byId.get(model.parent.get(id) ?? "");
  if (!node || !parent) return null;
  if (layout === "galaxy") {
    const unit = galaxyDepth(node.position.z) * GALAXY_UNIT;
    return { layout, position: { x: x / unit, y: -y / unit, z: node.position.z } };
  }
  const outward = layout === "tree" && parent.side === "left" ? -1 : 1;
  const bounded = (value: number) => Math.round(Math.max(-MAX_OFFSET, Math.min(MAX_OFFSET, value)) * 10) / 10;
  return { layout, offset: { x: bounded((x - parent.x) * outward), y: bounded(y - parent.y) } };
}
