/** The WebGL objects of the galaxy: renderer, shaders, geometry. */
import * as THREE from "three";
import { CONTEXT_ATTRIBUTES, hasWebGL, takeWebGLCanvas } from "./webgl";

/** How strongly a line covers what is behind it. */
export const LINE_OPACITY = 0.5;
/**
 * The light on a disc, in its radii from the centre: brightness `near` at its upper left, and from there evenly to
 * `far` at `reach`, beyond the disc's opposite edge.
 */
export const LIGHT = { x: 0.3, y: 0.35, near: 1.08, far: 0.75, reach: 1.5 } as const;
/** Distant nodes are mixed with the background: their part of their own colour, by their distance in world units. */
export function nearness(depth: number): number {
  return Math.max(0.7, Math.min(1, 1 - (depth - 380) / 900));
}

const VERTEX_SHADER = `
attribute float size; attribute vec3 tint; attribute float alpha;
uniform float scale; uniform vec3 back; varying vec3 vTint; varying float vAlpha;
void main() {
  vec4 at = modelViewMatrix * vec4(position, 1.0);
  vAlpha = alpha;
  // Distant and dimmed nodes are mixed with the background instead of transparent, so that no line is visible through
  // them.
  // As 'nearness' says.
  float depth = clamp(1.0 - (-at.z - 380.0) / 900.0, 0.7, 1.0);
  vTint = mix(back, tint, depth * vAlpha);
  gl_PointSize = size * scale / -at.z;
  gl_Position = projectionMatrix * at;
}`;
const FRAGMENT_SHADER = `
varying vec3 vTint;
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float d = dot(p, p);
  if (d > 1.0) discard;
  float edge = 1.0 - smoothstep(0.82, 1.0, d);
  float light = ${LIGHT.near} - ${(LIGHT.near - LIGHT.far) / LIGHT.reach} * distance(p, vec2(${-LIGHT.x}, ${-LIGHT.y}));
  gl_FragColor = vec4(vTint * light, edge);
}`;

export interface Graphics {
  renderer: THREE.WebGLRenderer;
  scene: THREE.Scene;
  points: THREE.Points<THREE.BufferGeometry, THREE.ShaderMaterial>;
  lines: THREE.LineSegments<THREE.BufferGeometry, THREE.LineBasicMaterial>;
}

function createGraphics(): Graphics {
  const renderer = new THREE.WebGLRenderer({ canvas: takeWebGLCanvas() ?? undefined, ...CONTEXT_ATTRIBUTES });
  renderer.setPixelRatio(Math.min(1.5, devicePixelRatio || 1));
  renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
  const scene = new THREE.Scene();
  const material = new THREE.ShaderMaterial({
    vertexShader: VERTEX_SHADER,
    fragmentShader: FRAGMENT_SHADER,
    uniforms: { scale: { value: 1 }, back: { value: new THREE.Color() } },
    transparent: true,
    depthWrite: false,
  });
  const points = new THREE.Points(new THREE.BufferGeometry(), material);
  points.frustumCulled = false;
  points.renderOrder = 1;
  const lines = new THREE.LineSegments(
    new THREE.BufferGeometry(),
    new THREE.LineBasicMaterial({ vertexColors: true, transparent: true, opacity: LINE_OPACITY, depthWrite: false }),
  );
  lines.frustumCulled = false;
  scene.add(lines, points);
  return { renderer, scene, points, lines };
}

let prewarmed: Graphics | null = null;

/** Creates the graphics and compiles the shaders while the map's data loads: compiling is slow. */
export function prewarm(): void {
  if (prewarmed || !hasWebGL()) return;
  prewarmed = createGraphics();
  prewarmed.renderer.compile(prewarmed.scene, new THREE.PerspectiveCamera());
}

/** The prewarmed graphics, or new ones. The caller owns and disposes of them. */
export function takeGraphics(): Graphics {
  const graphics = prewarmed ?? createGraphics();
  prewarmed = null;
  return graphics;
}

export function disposeGraphics({ renderer, points, lines }: Graphics): void {
  points.geometry.dispose();
  points.material.dispose();
  lines.geometry.dispose();
  lines.material.dispose();
  renderer.dispose();
  renderer.forceContextLoss();
}
