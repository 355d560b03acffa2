/** What the parts of the flat map share. */
import type { Ref } from "react";
import type { Hit, LabelMode } from "./flat-labels";
import type { FreePlace } from "./free-places";
import type { DropTarget, MapHandle, MapProps } from "./map-props";
import type { Scene } from "./scene";

export type FlatMapProps = MapProps & {
  scene: Scene;
  mode: LabelMode;
  ref?: Ref<MapHandle>;
  /** How many pixels of the map notices cover at its top. */
  coveredTop: number;
  /** Another key shows the whole scene anew. */
  sceneKey: string;
  /** The map grows by itself, so that no change of it is the user's. */
  isGrowing: boolean;
  /** The place of a node that is put at a position of the scene; null where nodes have no places of their own. */
  placeAt: ((id: string, x: number, y: number) => FreePlace | null) | null;
};

/** What a press hits: a node, its fold control, or null between the nodes. */
export type FindHit = (at: { clientX: number; clientY: number }, isTouch: boolean) => Hit | null;

export interface Drag {
  id: string;
  target: DropTarget | null;
  /** Where the drag began, and where it is now, in pixels from the map's upper left corner. */
  from: { x: number; y: number };
  x: number;
  y: number;
}
