/** Pan, wheel and pinch of a flat map, by d3-zoom. */
import { select } from "d3-selection";
import "d3-transition";
import { type D3ZoomEvent, zoom as d3zoom, type ZoomBehavior, zoomIdentity } from "d3-zoom";
import { type RefObject, useEffect, useRef } from "react";
import type { Camera } from "./camera";

const isMotionReduced = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export interface Zoom {
  /** The camera after the last event. */
  camera: RefObject<Camera>;
  moveTo: (camera: Camera, durationMs: number) => void;
  scaleBy: (factor: number, durationMs: number) => void;
}

/**
 * Zooming of `canvas`. `onMove` gets every new camera, `onUserMove` is called when the user moves it. A press for which
 * `startsNodeDrag` is true does not pan.
 */
export function useZoom(
  canvas: RefObject<HTMLDivElement | null>,
  startsNodeDrag: RefObject<(event: MouseEvent) => boolean>,
  onMove: (camera: Camera) => void,
  onUserMove: () => void,
): Zoom {
  const camera = useRef<Camera>({ x: 0, y: 0, k: 1 });
  const behaviour = useRef<ZoomBehavior<HTMLDivElement, unknown> | null>(null);
  const latestOnMove = useRef(onMove);
  latestOnMove.current = onMove;
  const latestOnUserMove = useRef(onUserMove);
  latestOnUserMove.current = onUserMove;
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const zoom = d3zoom<HTMLDivElement, unknown>()
      .scaleExtent([0.03, 6])
      .filter((event: MouseEvent | TouchEvent | WheelEvent) => {
        if (event.type === "dblclick") return false;
        if (!("button" in event)) return true;
        if (event.type === "mousedown" && event.button === 0 && startsNodeDrag.current(event)) return false;
        return event.button === 0;
      })
      .on("zoom", (event: D3ZoomEvent<HTMLDivElement, unknown>) => {
        camera.current = event.transform;
        if (event.sourceEvent) latestOnUserMove.current();
        latestOnMove.current(event.transform);
      });
    behaviour.current = zoom;
    select(element).call(zoom).on("dblclick.zoom", null);
    return () => void select(element).on(".zoom", null);
  }, [canvas, startsNodeDrag]);

  return {
    camera,
    moveTo: (to, durationMs) => {
      const element = canvas.current;
      const zoom = behaviour.current;
      if (!element || !zoom) return;
      const transform = zoomIdentity.translate(to.x, to.y).scale(to.k);
      if (durationMs === 0 || isMotionReduced()) select(element).call(zoom.transform, transform);
      else select(element).transition().duration(durationMs).call(zoom.transform, transform);
    },
    scaleBy: (factor, durationMs) => {
      const element = canvas.current;
      const zoom = behaviour.current;
      if (!element || !zoom) return;
      if (durationMs === 0) select(element).call(zoom.scaleBy, factor);
      else
        select(element)
          .transition()
          .duration(isMotionReduced() ? 0 : durationMs)
          .call(zoom.scaleBy, factor);
    },
  };
}
