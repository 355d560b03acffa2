/** What the parts of the flat map share. */
import type { Ref } from "react";
import type { Hit, LabelMode } from "./flat-labels";
import type { DropTarget, MapHandle, MapProps } from "./map-props";
import type { Scene } from "./scene";

export type FlatMapProps = MapProps & {
  scene: Scene;
  mode: LabelMode;
  ref?: Ref<MapHandle>;
  /** Another key shows the whole scene anew. */
  sceneKey: string;
  /** The map grows by itself, so that no change of it is the user's. */
  isGrowing: boolean;
};

/** What a press hits: a node, its fold control, or null between the nodes. */
export type FindHit = (at: { clientX: number; clientY: number }, isTouch: boolean) => Hit | null;

export interface Drag {
  id: string;
  target: DropTarget | null;
  /** The pointer, in pixels from the map's upper left corner. */
  x: number;
  y: number;
}
