/**
 * Takes the place of d3-transition in the build (vite.config.ts). d3-zoom needs of it only that running transitions can
 * be interrupted, and there are none: `flight.ts` moves the camera. With its colours, timers and easings it is 10 KB.
 */
import { selection } from "d3-selection";

selection.prototype.interrupt = function interruptNone() {
  return this;
};

export function interrupt(): void {}
