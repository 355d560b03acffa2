/** Pan, wheel and pinch of a flat map, by d3-zoom. */
import { select } from "d3-selection";
import { type D3ZoomEvent, zoom as d3zoom, type ZoomBehavior, zoomIdentity } from "d3-zoom";
import { type RefObject, useEffect, useRef } from "react";
import type { Camera, Size } from "./camera";
import { animate, flight, zoomed } from "./flight";

const SCALE_EXTENT: [number, number] = [0.03, 6];
const isMotionReduced = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export interface Zoom {
  /** The camera after the last event. */
  camera: RefObject<Camera>;
  moveTo: (camera: Camera, durationMs: number) => void;
  scaleBy: (factor: number, durationMs: number) => void;
}

/**
 * Zooming of `canvas`. `onMove` gets every new camera, `onUserMove` is called when the user moves it, `onRest` after the
 * last camera of a movement. A press for which `startsNodeDrag` is true does not pan.
 */
export function useZoom(
  canvas: RefObject<HTMLDivElement | null>,
  startsNodeDrag: RefObject<(event: MouseEvent) => boolean>,
  onMove: (camera: Camera) => void,
  onUserMove: () => void,
  onRest: () => void,
): Zoom {
  const camera = useRef<Camera>({ x: 0, y: 0, k: 1 });
  const behaviour = useRef<ZoomBehavior<HTMLDivElement, unknown> | null>(null);
  const latestOnMove = useRef(onMove);
  latestOnMove.current = onMove;
  const latestOnUserMove = useRef(onUserMove);
  latestOnUserMove.current = onUserMove;
  const latestOnRest = useRef(onRest);
  latestOnRest.current = onRest;
  const stopFlight = useRef(() => {});
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const zoom = d3zoom<HTMLDivElement, unknown>()
      .scaleExtent(SCALE_EXTENT)
      .filter((event: MouseEvent | TouchEvent | WheelEvent) => {
        if (event.type === "dblclick") return false;
        if (!("button" in event)) return true;
        if (event.type === "mousedown" && event.button === 0 && startsNodeDrag.current(event)) return false;
        return event.button === 0;
      })
      .on("start", (event: D3ZoomEvent<HTMLDivElement, unknown>) => {
        if (event.sourceEvent) stopFlight.current();
      })
      .on("zoom", (event: D3ZoomEvent<HTMLDivElement, unknown>) => {
        camera.current = event.transform;
        if (event.sourceEvent) latestOnUserMove.current();
        latestOnMove.current(event.transform);
      })
      .on("end", (event: D3ZoomEvent<HTMLDivElement, unknown>) => {
        // Each camera of a flight is a movement of its own for d3-zoom.
        if (event.sourceEvent) latestOnRest.current();
      });
    behaviour.current = zoom;
    select(element).call(zoom).on("dblclick.zoom", null);
    return () => {
      stopFlight.current();
      select(element).on(".zoom", null);
    };
  }, [canvas, startsNodeDrag]);

  const fly = (target: (size: Size) => Camera, durationMs: number) => {
    const element = canvas.current;
    const zoom = behaviour.current;
    if (!element || !zoom) return;
    stopFlight.current();
    const size = { width: element.clientWidth, height: element.clientHeight };
    const at = flight(camera.current, target(size), size);
    stopFlight.current = animate(isMotionReduced() ? 0 : durationMs, (progress) => {
      const { x, y, k } = at(progress);
      select(element).call(zoom.transform, zoomIdentity.translate(x, y).scale(k));
      if (progress === 1) latestOnRest.current();
    });
  };
  return {
    camera,
    moveTo: (to, durationMs) => fly(() => to, durationMs),
    scaleBy: (factor, durationMs) => fly((size) => zoomed(camera.current, factor, size, SCALE_EXTENT), durationMs),
  };
}
