/**
 * Takes the place of d3-color in the build (vite.config.ts). d3-interpolate names it for colours that this map never
 * interpolates: only `interpolateZoom` is used, for the flights of the camera.
 */
function neverCalled(): never {
  throw new Error("d3-color is not part of this build");
}

export {
  neverCalled as color,
  neverCalled as cubehelix,
  neverCalled as hcl,
  neverCalled as hsl,
  neverCalled as lab,
  neverCalled as rgb,
};
