/**
 * Placement of labels: each at its best free position, important ones first; a label without a free position is
 * omitted.
 */
export interface LabelBox {
  id: string;
  width: number;
  height: number;
  /** The possible centres of the label, best first. */
  places: readonly (readonly [x: number, y: number])[];
  /** How far right of its places the centre of the box is, for a label with something on one side. */
  shift?: number;
  /** Its rotation in radians, the same at every position. */
  turn: number;
  /** Lower ranks are placed first; within a rank, higher importance. */
  rank: number;
  importance: number;
}

/** An area that labels avoid, such as a node's disc. */
export interface Obstacle {
  id: string;
  x: number;
  y: number;
  r: number;
}

interface Placed {
  x: number;
  y: number;
  width: number;
  height: number;
  turn: number;
  owner: string;
}

const CELL = 72;

/**
 * The centre of every placed label. Only neighbours in a grid are compared, so a thousand labels take a few
 * milliseconds.
 */
export function placeLabels(
  boxes: readonly LabelBox[],
  obstacles: readonly Obstacle[] = [],
  gap = 2,
): Map<string, readonly [number, number]> {
  const positions = new Map<string, readonly [number, number]>();
  const labels = new Grid();
  const discs = new Grid();
  for (const { id, x, y, r } of obstacles) discs.add({ x, y, width: 2 * r, height: 2 * r, turn: 0, owner: id });
  const order = [...boxes].sort((a, b) => a.rank - b.rank || b.importance - a.importance || (a.id < b.id ? -1 : 1));
  for (const box of order) {
    let position: readonly [number, number] | null = null;
    for (const place of box.places) {
      const at = {
        x: place[0] + (box.shift ?? 0),
        y: place[1],
        width: box.width,
        height: box.height,
        turn: box.turn,
        owner: box.id,
      };
      if (labels.collides(at, gap)) continue;
      // A position beside all discs is best; one over a disc is better than none.
      if (!discs.collides(at, 0)) {
        position = place;
        break;
      }
      position ??= place;
    }
    if (!position) continue;
    positions.set(box.id, position);
    const x = position[0] + (box.shift ?? 0);
    labels.add({ x, y: position[1], width: box.width, height: box.height, turn: box.turn, owner: box.id });
  }
  return positions;
}

class Grid {
  private readonly cells = new Map<number, Placed[]>();

  add(box: Placed): void {
    for (const cell of cellsOf(box, 0)) {
      const occupants = this.cells.get(cell);
      if (occupants) occupants.push(box);
      else this.cells.set(cell, [box]);
    }
  }

  collides(box: Placed, gap: number): boolean {
    return cellsOf(box, gap).some((cell) =>
      this.cells.get(cell)?.some((other) => other.owner !== box.owner && overlaps(box, other, gap)),
    );
  }
}

function cellsOf(box: Placed, gap: number): number[] {
  const [cos, sin] = [Math.abs(Math.cos(box.turn)), Math.abs(Math.sin(box.turn))];
  const halfX = (cos * box.width + sin * box.height) / 2 + gap;
  const halfY = (sin * box.width + cos * box.height) / 2 + gap;
  const cells: number[] = [];
  for (let i = Math.floor((box.x - halfX) / CELL); i <= Math.floor((box.x + halfX) / CELL); i++)
    for (let j = Math.floor((box.y - halfY) / CELL); j <= Math.floor((box.y + halfY) / CELL); j++)
      cells.push(i * 4096 + j);
  return cells;
}

/** Whether two rotated rectangles are closer than `gap`, by the separating axis theorem on their four axes. */
export function overlaps(a: Omit<Placed, "owner">, b: Omit<Placed, "owner">, gap = 0): boolean {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  for (const angle of a.turn === b.turn
    ? [a.turn, a.turn + Math.PI / 2]
    : [a.turn, a.turn + Math.PI / 2, b.turn, b.turn + Math.PI / 2]) {
    const [ux, uy] = [Math.cos(angle), Math.sin(angle)];
    if (Math.abs(dx * ux + dy * uy) >= extent(a, ux, uy) + extent(b, ux, uy) + gap) return false;
  }
  return true;
}

function extent(box: Omit<Placed, "owner">, ux: number, uy: number): number {
  const [cos, sin] = [Math.cos(box.turn), Math.sin(box.turn)];
  return (box.width * Math.abs(cos * ux + sin * uy) + box.height * Math.abs(cos * uy - sin * ux)) / 2;
}
