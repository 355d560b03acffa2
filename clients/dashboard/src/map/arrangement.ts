/** How the branches of a tree are arranged so that it is shown as large as possible. Pure. */
import { fitCamera, type Size } from "./camera";
import { pixelBounds } from "./flat-labels";
import type { MapModel } from "./model";
import { type SceneOptions, treeScene } from "./scene";

/** How the branches of a tree are arranged. */
export type Arrangement = Required<Pick<SceneOptions, "isOneSided" | "maxRows" | "labelScale">>;

export const PLAIN: Arrangement = { isOneSided: false, maxRows: Number.POSITIVE_INFINITY, labelScale: 1 };
/** Columns are tried with at most so many pages below each other. */
const COLUMN_ROWS = [9, 5, 3, 2];
/** A different arrangement has to show the tree larger by this factor. */
const MIN_GAIN = 1.1;
/** The arrangements are compared with space for labels at this scale, or at the one that results from it. */
const FIRST_LABEL_SCALE = 0.4;
const MIN_LABEL_SCALE = 0.06;
/** At this scale the labels of pages are readable, and no other arrangement is needed. */
const READABLE_SCALE = 0.8;

/** Branches to one side or to both, and pages below each other or in columns: whichever shows the tree largest. */
export function bestArrangement(model: MapModel, options: SceneOptions, size: Size, maxExpanded: number): Arrangement {
  const fitted = (arrangement: Arrangement) => {
    const scene = treeScene(model, { ...options, ...arrangement });
    return fitCamera((k) => pixelBounds(scene, k, "all", false), size, 1.25).k;
  };
  if (fitted(PLAIN) >= READABLE_SCALE) return PLAIN;
  const isExpanded = model.nodes.length > maxExpanded && options.collapsed.size * 8 < model.nodes.length;
  const candidates = [
    PLAIN,
    { ...PLAIN, isOneSided: true },
    ...(isExpanded ? COLUMN_ROWS.map((maxRows) => ({ ...PLAIN, maxRows })) : []),
  ];
  // Labels keep a readable size: a tree that is shown smaller needs more space for them, which makes it smaller again.
  let labelScale = FIRST_LABEL_SCALE;
  let best = PLAIN;
  for (let i = 0; i < 2; i++) {
    let largest = 0;
    for (const candidate of candidates) {
      const scale = fitted({ ...candidate, labelScale });
      if (scale <= largest * MIN_GAIN) continue;
      best = candidate;
      largest = scale;
    }
    if (largest >= labelScale || !isExpanded) break;
    labelScale = (labelScale + largest) / 2;
  }
  return { ...best, labelScale: largestLabelScale((labelScale) => fitted({ ...best, labelScale })) };
}

/** The largest scale at which labels of readable size have space in a tree that is shown at this scale. */
function largestLabelScale(scaleAt: (labelScale: number) => number): number {
  let [low, high] = [MIN_LABEL_SCALE, READABLE_SCALE];
  for (let i = 0; i < 6; i++) {
    const middle = Math.sqrt(low * high);
    if (scaleAt(middle) >= middle) low = middle;
    else high = middle;
  }
  return low * 0.97;
}
