/** Positions of the names of links on a flat map at one scale, in CSS pixels. */
import { labelBox, type Marks, type PlacedLabel } from "./flat-labels";
import { type LabelBox, placeLabels } from "./labels";
import { labelWidth } from "./measure";
import type { SceneLink } from "./scene";

export const LINK_FONT_PX = 11;
/** Where on its curve a name may stand, best first. */
const SPOTS = [0.5, 0.38, 0.62, 0.26, 0.74];
/** The labels of nodes have their positions already. */
const NODE_RANK = 0;
const LINK_RANK = 1;

export interface PlacedLinkLabel {
  link: SceneLink;
  label: string;
  x: number;
  y: number;
}

/**
 * The names of `links` beside the labels of nodes and beside each other. A name without space is left out until the map
 * is enlarged, except at the selected node.
 */
export function placeLinkLabels(
  links: readonly SceneLink[],
  labels: readonly PlacedLabel[],
  k: number,
  marks: Marks,
): PlacedLinkLabel[] {
  const named = links.flatMap((link) =>
    link.label ? [{ link, label: link.label, id: `${link.from} ${link.to}` }] : [],
  );
  if (named.length === 0) return [];
  const boxes: LabelBox[] = labels.map((label) => ({
    ...labelBox(label, [[label.x, label.y]], marks),
    rank: NODE_RANK,
  }));
  for (const { link, label, id } of named)
    boxes.push({
      id,
      places: SPOTS.map((at) => pointOn(link.curve, at, k)),
      width: labelWidth([label], "page", LINK_FONT_PX),
      height: LINK_FONT_PX,
      turn: 0,
      rank: LINK_RANK,
      importance: link.width,
    });
  const positions = placeLabels(boxes);
  return named.flatMap(({ link, label, id }) => {
    const isSelected = link.from === marks.selected || link.to === marks.selected;
    const position = positions.get(id) ?? (isSelected ? pointOn(link.curve, 0.5, k) : null);
    return position ? [{ link, label, x: position[0], y: position[1] }] : [];
  });
}

/** The point of a cubic Bézier curve at `t`, in the pixels of scale `k`. */
function pointOn([x0, y0, x1, y1, x2, y2, x3, y3]: SceneLink["curve"], t: number, k: number): [number, number] {
  const s = 1 - t;
  const at = (a: number, b: number, c: number, d: number) =>
    (s ** 3 * a + 3 * s ** 2 * t * b + 3 * s * t ** 2 * c + t ** 3 * d) * k;
  return [at(x0, x1, x2, x3), at(y0, y1, y2, y3)];
}
