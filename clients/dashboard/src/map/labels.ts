/** Which labels are drawn: those that fit without touching another, the important ones first. */
export interface LabelBox {
  id: string;
  x: number;
  y: number;
  width: number;
  height: number;
  /** Lower goes first; within a rank, the higher importance. */
  rank: number;
  importance: number;
}

const CELL = 64;

/**
 * The ids whose boxes are kept. Boxes are compared with those in the same cells of a grid only, so a thousand labels
 * take a millisecond or two.
 */
export function placeLabels(boxes: readonly LabelBox[], gap = 2): Set<string> {
  const kept = new Set<string>();
  const grid = new Map<string, LabelBox[]>();
  const cells = (box: LabelBox): string[] => {
    const found: string[] = [];
    for (let i = Math.floor((box.x - gap) / CELL); i <= Math.floor((box.x + box.width + gap) / CELL); i++)
      for (let j = Math.floor((box.y - gap) / CELL); j <= Math.floor((box.y + box.height + gap) / CELL); j++) found.push(`${i},${j}`);
    return found;
  };
  const order = [...boxes].sort((a, b) => a.rank - b.rank || b.importance - a.importance || (a.id < b.id ? -1 : 1));
  for (const box of order) {
    const mine = cells(box);
    if (mine.some((cell) => grid.get(cell)?.some((other) => overlaps(box, other, gap)))) continue;
    kept.add(box.id);
    for (const cell of mine) grid.set(cell, [...(grid.get(cell) ?? []), box]);
  }
  return kept;
}

export function overlaps(a: LabelBox, b: LabelBox, gap = 0): boolean {
  return a.x < b.x + b.width + gap && b.x < a.x + a.width + gap && a.y < b.y + b.height + gap && b.y < a.y + a.height + gap;
}
