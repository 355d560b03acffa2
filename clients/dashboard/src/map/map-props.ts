/** What the three map views (flat, galaxy, outline) have in common. */
import type { Direction, MapModel } from "./model";

export interface MapHandle {
  zoomBy: (factor: number) => void;
  fit: () => void;
  /** Scrolls a node into view; does nothing when it is visible already. */
  show: (id: string) => void;
}

export interface MapProps {
  model: MapModel;
  selected: string | null;
  hovered: string | null;
  matches: ReadonlySet<string>;
  collapsed: ReadonlySet<string>;
  onSelect: (id: string | null) => void;
  onHover: (id: string | null) => void;
  onToggle: (id: string) => void;
  onRename: ((id: string) => void) | undefined;
  /** A node was dropped on another. */
  onDrop: ((id: string, target: string) => void) | undefined;
}

export const ARROW_DIRECTIONS: Readonly<Record<string, Direction>> = {
  ArrowUp: "up",
  ArrowDown: "down",
  ArrowLeft: "left",
  ArrowRight: "right",
};
