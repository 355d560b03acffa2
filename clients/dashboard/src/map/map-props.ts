/** What the three map views (flat, galaxy, outline) have in common. */
import type { FreePlace } from "./free-places";
import type { Direction, MapModel } from "./model";
import type { Picture } from "./pen";

/** Where a label is drawn, in pixels from the upper left corner of the map. */
export interface LabelRect {
  x: number;
  y: number;
  width: number;
  height: number;
  /** The side that stays in place when the label becomes longer. */
  align: "left" | "center" | "right";
  fontSize: number;
}

export interface MapHandle {
  zoomBy: (factor: number) => void;
  fit: () => void;
  /** Scrolls a node into view; does nothing when it is visible already. */
  show: (id: string) => void;
  /** Where a node's label is now; null when the node is not drawn. */
  rectOf: (id: string) => LabelRect | null;
  /** What the camera sees, where that is more than the scene: in three dimensions. */
  picture?: (title: string) => Picture | null;
}

/** Where a dragged node is dropped: below another node, merged with it, or between all nodes. */
export type DropTarget = { kind: "into" | "merge"; id: string } | { kind: "place"; place: FreePlace };

/** The edits that the pointer and the keyboard make on the map itself. */
export interface MapEditing {
  /** The node whose label is a text field now. */
  renamingId: string | null;
  startRename: (id: string) => void;
  /** Ends the renaming, with a new label or without a change. */
  endRename: (label: string | null) => void;
  /** What dropping a node on another would do; null when it is not possible. */
  dropOn: (id: string, target: string, kind: "into" | "merge") => DropTarget | null;
  drop: (id: string, target: DropTarget) => void;
  addTopic: () => void;
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
  /** Null when the map can only be read. */
  editing: MapEditing | null;
}

export const ARROW_DIRECTIONS: Readonly<Record<string, Direction>> = {
  ArrowUp: "up",
  ArrowDown: "down",
  ArrowLeft: "left",
  ArrowRight: "right",
};
