/** Animated movements of a flat map's camera. */
import { interpolateZoom, type ZoomView } from "d3-interpolate";
import type { Camera, Size } from "./camera";

/** The camera at each moment of a flight, from 0 to 1: it zooms out on long ways, as `interpolateZoom` does. */
export function flight(from: Camera, to: Camera, { width, height }: Size): (progress: number) => Camera {
  const [x, y, extent] = [width / 2, height / 2, Math.max(width, height)];
  const view = (camera: Camera): ZoomView => [(x - camera.x) / camera.k, (y - camera.y) / camera.k, extent / camera.k];
  const between = interpolateZoom(view(from), view(to));
  return (progress) => {
    if (progress >= 1) return to;
    const [centreX, centreY, width] = between(eased(progress));
    const k = extent / width;
    return { x: x - centreX * k, y: y - centreY * k, k };
  };
}

/** The camera after zooming by `factor` around the centre of the view, within `[min, max]`. */
export function zoomed(camera: Camera, factor: number, { width, height }: Size, [min, max]: [number, number]): Camera {
  const k = Math.min(max, Math.max(min, camera.k * factor));
  const around = (centre: number, offset: number) => centre - ((centre - offset) / camera.k) * k;
  return { x: around(width / 2, camera.x), y: around(height / 2, camera.y), k };
}

/** Slow at both ends (cubic). */
function eased(progress: number): number {
  return progress < 0.5 ? 4 * progress ** 3 : 1 - (2 - 2 * progress) ** 3 / 2;
}

/** Calls `move` with the progress in every frame until it is 1; returns what stops it earlier. */
export function animate(durationMs: number, move: (progress: number) => void): () => void {
  const startedMs = performance.now();
  let request = 0;
  const tick = () => {
    const progress = durationMs <= 0 ? 1 : Math.min(1, (performance.now() - startedMs) / durationMs);
    if (progress < 1) request = requestAnimationFrame(tick);
    move(progress);
  };
  tick();
  return () => cancelAnimationFrame(request);
}
