/** Camera, geometry and painting of the galaxy, independent of React. Paints only after a change. */
import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { uncoveredSize } from "./camera";
import { disposeGraphics, type Graphics, LIGHT, LINE_OPACITY, nearness, takeGraphics } from "./galaxy-graphics";
import { GalaxyLabels, type GalaxyMarks, type GalaxyView, NOMINAL_DISTANCE } from "./galaxy-labels";
import type { MapModel, MapNode } from "./model";
import type { Palette } from "./palette";
import type { Pen, Picture } from "./pen";
import type { SceneNode } from "./scene";

const RADIUS = { core: 17, topic: 11, subtopic: 6.5, page: 4 } as const;
/** The server's largest node size of each type. */
const MAX_NODE_SIZE = { core: 100, topic: 80, subtopic: 50, page: 40 } as const;
const DIMMED = 0.2;

export class GalaxyRenderer {
  private readonly graphics = takeGraphics();
  private readonly renderer = this.graphics.renderer;
  private readonly camera = new THREE.PerspectiveCamera(50, 1, 5, 4000);
  private readonly controls: OrbitControls;
  private readonly labels = new GalaxyLabels(() => this.requestPaint());
  private readonly resizeObserver: ResizeObserver;
  private model: MapModel | null = null;
  private readonly view: GalaxyView = {
    nodes: [],
    screen: new Map(),
    size: { width: 1, height: 1 },
    marks: { selected: null, hovered: null, bright: null, matches: new Set() },
    palette: null,
    distance: NOMINAL_DISTANCE,
  };
  private paintRequest = 0;
  private flightRequest = 0;
  private isMovedByUser = false;
  private isPainted = false;

  constructor(private readonly box: HTMLElement) {
    box.append(this.renderer.domElement, this.labels.canvas);
    this.camera.position.set(0, 0, NOMINAL_DISTANCE);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.enableDamping = false;
    this.controls.zoomToCursor = true;
    this.controls.minDistance = 40;
    this.controls.maxDistance = 2200;
    this.controls.addEventListener("change", this.requestPaint);
    this.controls.addEventListener("start", () => {
      this.isMovedByUser = true;
      cancelAnimationFrame(this.flightRequest);
    });
    this.resize(box.clientWidth, box.clientHeight);
    this.resizeObserver = new ResizeObserver(
      ([entry]) => entry && this.resize(entry.contentRect.width, entry.contentRect.height),
    );
    this.resizeObserver.observe(box);
  }

  private resize(width: number, height: number): void {
    const { size } = this.view;
    if (width === size.width && height === size.height) return;
    size.width = Math.max(1, width);
    size.height = Math.max(1, height);
    this.renderer.setSize(size.width, size.height);
    this.labels.resize(size);
    this.camera.aspect = size.width / size.height;
    this.camera.updateProjectionMatrix();
    this.fitUntilMoved();
    this.requestPaint();
  }

  dispose(): void {
    cancelAnimationFrame(this.paintRequest);
    cancelAnimationFrame(this.flightRequest);
    this.resizeObserver.disconnect();
    this.controls.dispose();
    disposeGraphics(this.graphics);
    this.box.replaceChildren();
  }

  setScene(model: MapModel, nodes: readonly SceneNode[], palette: Palette): void {
    this.model = model;
    this.view.nodes = nodes;
    this.view.palette = palette;
    this.labels.clearCache();
    const positions = new Float32Array(nodes.length * 3);
    const sizes = new Float32Array(nodes.length);
    nodes.forEach(({ node }, i) => {
      positions.set([node.position.x, node.position.y, node.position.z], i * 3);
      sizes[i] = radiusOf(node) * 2;
    });
    const { geometry } = this.graphics.points;
    geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
    geometry.setAttribute("size", new THREE.BufferAttribute(sizes, 1));
    geometry.setAttribute("tint", new THREE.BufferAttribute(new Float32Array(nodes.length * 3), 3));
    geometry.setAttribute("alpha", new THREE.BufferAttribute(new Float32Array(nodes.length), 1));
    this.fitUntilMoved();
    this.updateColours();
  }

  setMarks(marks: GalaxyMarks): void {
    this.view.marks = marks;
    this.updateColours();
  }

  zoomBy(factor: number): void {
    this.moveCamera(
      this.controls.target.clone(),
      this.camera.position.clone().sub(this.controls.target).divideScalar(factor).add(this.controls.target),
      180,
    );
  }

  /** Shows all nodes from the front. */
  fit(): void {
    this.moveCamera(new THREE.Vector3(), new THREE.Vector3(0, 0, this.fittingDistance()), 450);
  }

  /** Fits all nodes into the view until the user first moves the camera. */
  private fitUntilMoved(): void {
    if (this.isMovedByUser || this.view.nodes.length === 0) return;
    this.camera.position.set(0, 0, this.fittingDistance());
    this.controls.update();
  }

  /** The shortest distance from which all nodes and their labels are visible. */
  private fittingDistance(): number {
    const half = Math.tan((this.camera.fov * Math.PI) / 360);
    const aspect = Math.min(this.camera.aspect, 2.4);
    return Math.max(
      300,
      ...this.view.nodes.map(
        ({ node: { position: p } }) =>
          p.z + 1.06 * Math.max((Math.abs(p.y) + 30) / half, (Math.abs(p.x) + 48) / (half * aspect)),
      ),
    );
  }

  flyTo(id: string): void {
    const n = this.view.nodes.find((each) => each.id === id);
    if (!n) return;
    const { size } = this.view;
    const { position } = n.node;
    const back = this.camera.position.clone().sub(this.controls.target).normalize();
    const distance = n.node.type === "page" ? 150 : 230;
    // The node goes to the centre of the part that the evidence panel leaves uncovered: the target is shifted by the
    // difference.
    const free = uncoveredSize(this.box, size);
    const worldPerPixel = (2 * distance * Math.tan((this.camera.fov * Math.PI) / 360)) / size.height;
    const right = new THREE.Vector3().setFromMatrixColumn(this.camera.matrixWorld, 0);
    const up = new THREE.Vector3().setFromMatrixColumn(this.camera.matrixWorld, 1);
    const target = new THREE.Vector3(position.x, position.y, position.z)
      .addScaledVector(right, ((size.width - free.width) / 2) * worldPerPixel)
      .addScaledVector(up, (-(size.height - free.height) / 2) * worldPerPixel);
    this.moveCamera(target, target.clone().addScaledVector(back, distance), 450);
  }

  /** Flies to a node that is not visible; otherwise the camera does not move. */
  reveal(id: string): void {
    const at = this.view.screen.get(id);
    const free = uncoveredSize(this.box, this.view.size);
    if (!at || at.x < 30 || at.y < 30 || at.x > free.width - 30 || at.y > free.height - 30) this.flyTo(id);
  }

  /** Where a node is on the screen, in pixels from the galaxy's upper left corner; null when it is behind the camera. */
  positionOf(id: string): { x: number; y: number; r: number } | null {
    return this.view.screen.get(id) ?? null;
  }

  /** The id of the nearest node under a point of the window. */
  pick(clientX: number, clientY: number): string | null {
    const bounds = this.box.getBoundingClientRect();
    let best: string | null = null;
    let nearest = Number.POSITIVE_INFINITY;
    for (const [id, at] of this.view.screen) {
      const distance = Math.hypot(at.x - (clientX - bounds.left), at.y - (clientY - bounds.top));
      if (distance < Math.max(10, at.r + 4) && at.depth < nearest) {
        nearest = at.depth;
        best = id;
      }
    }
    return best;
  }

  /** What the camera sees, without what the pointer and the search mark. */
  picture(title: string): Picture | null {
    const { model, view } = this;
    const { palette, size } = view;
    if (!model || !palette || view.nodes.length === 0) return null;
    const unmarked = { ...view, marks: { selected: null, hovered: null, bright: null, matches: new Set<string>() } };
    return {
      title,
      ...size,
      font: palette.font,
      draw: (pen) => {
        drawGalaxy(pen, unmarked, linksOf(view.nodes, model), colourSet(palette));
        this.labels.write(pen, unmarked, palette);
      },
    };
  }

  private moveCamera(target: THREE.Vector3, position: THREE.Vector3, durationMs: number): void {
    this.isMovedByUser = true;
    cancelAnimationFrame(this.flightRequest);
    const [fromTarget, fromPosition] = [this.controls.target.clone(), this.camera.position.clone()];
    const startedMs = performance.now();
    const lengthMs = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : durationMs;
    const tick = () => {
      const progress = lengthMs === 0 ? 1 : Math.min(1, (performance.now() - startedMs) / lengthMs);
      const eased = 1 - (1 - progress) ** 3;
      this.controls.target.lerpVectors(fromTarget, target, eased);
      this.camera.position.lerpVectors(fromPosition, position, eased);
      this.controls.update();
      this.requestPaint();
      if (progress < 1) this.flightRequest = requestAnimationFrame(tick);
    };
    tick();
  }

  private readonly requestPaint = (): void => {
    cancelAnimationFrame(this.paintRequest);
    // The first frame is painted at once, so that it appears together with the page.
    if (!this.isPainted && this.view.nodes.length > 0 && this.view.size.width > 1) this.paint();
    else this.paintRequest = requestAnimationFrame(() => this.paint());
  };

  private updateColours(): void {
    const { palette, nodes } = this.view;
    if (!this.model || !palette) return;
    const colours = colourSet(palette);
    this.graphics.points.material.uniforms.back?.value.copy(colours.background);
    this.renderer.setClearColor(colours.background);
    colourNodes(this.graphics.points.geometry, nodes, this.view.marks, colours);
    replaceLinks(this.graphics.lines, linksOf(nodes, this.model), this.view.marks, colours);
    this.requestPaint();
  }

  private paint(): void {
    const { nodes, screen, size } = this.view;
    const scale = size.height / (2 * Math.tan((this.camera.fov * Math.PI) / 360));
    const uniform = this.graphics.points.material.uniforms.scale;
    if (uniform) uniform.value = scale * this.renderer.getPixelRatio();
    this.renderer.render(this.graphics.scene, this.camera);
    const projected = new THREE.Vector3();
    const inCamera = new THREE.Vector3();
    screen.clear();
    for (const { id, node } of nodes) {
      projected.set(node.position.x, node.position.y, node.position.z);
      const depth = -inCamera.copy(projected).applyMatrix4(this.camera.matrixWorldInverse).z;
      if (depth < 10) continue;
      projected.project(this.camera);
      screen.set(id, {
        x: ((projected.x + 1) / 2) * size.width,
        y: ((1 - projected.y) / 2) * size.height,
        r: (radiusOf(node) * scale) / depth,
        depth,
      });
    }
    this.view.distance = this.camera.position.distanceTo(this.controls.target);
    this.labels.draw(this.view);
    if (!this.isPainted && nodes.length > 0) performance.mark("trailmind:map");
    this.isPainted = nodes.length > 0;
  }
}

function radiusOf({ type, size }: MapNode): number {
  return RADIUS[type] * (0.75 + 0.5 * Math.min(1, size / MAX_NODE_SIZE[type]));
}

interface ColourSet {
  background: THREE.Color;
  accent: THREE.Color;
  line: THREE.Color;
  hues: THREE.Color[];
}

function colourSet(palette: Palette): ColourSet {
  const parse = (css: string) => new THREE.Color().setStyle(css, THREE.LinearSRGBColorSpace);
  return {
    background: parse(palette.bg),
    accent: parse(palette.accent),
    line: parse(palette.line),
    hues: palette.hue.map(parse),
  };
}

function colourOf(n: SceneNode, { hues, line }: ColourSet): THREE.Color {
  return n.hue === null ? line : (hues[n.hue] ?? line);
}

function colourNodes(
  geometry: THREE.BufferGeometry,
  nodes: readonly SceneNode[],
  marks: GalaxyMarks,
  colours: ColourSet,
): void {
  const tint = geometry.getAttribute("tint");
  const alpha = geometry.getAttribute("alpha");
  if (!(tint instanceof THREE.BufferAttribute) || !(alpha instanceof THREE.BufferAttribute)) return;
  nodes.forEach((n, i) => {
    const colour = n.node.type === "core" ? colours.accent : colourOf(n, colours);
    tint.setXYZ(i, colour.r, colour.g, colour.b);
    alpha.setX(i, marks.bright && !marks.bright.has(n.id) && !marks.matches.has(n.id) ? DIMMED : 1);
  });
  tint.needsUpdate = true;
  alpha.needsUpdate = true;
}

/** A line between two nodes; the colour of `owner`, or that of lines. */
interface GalaxyLink {
  from: SceneNode;
  to: SceneNode;
  owner: SceneNode | null;
  strength: number;
}

function linksOf(nodes: readonly SceneNode[], model: MapModel): GalaxyLink[] {
  const byId = new Map(nodes.map((n) => [n.id, n]));
  const links: GalaxyLink[] = [];
  for (const n of nodes) {
    const parent = byId.get(model.parent.get(n.id) ?? "");
    if (parent) links.push({ from: parent, to: n, owner: n, strength: n.node.type === "topic" ? 1 : 0.8 });
  }
  for (const edge of model.cross) {
    const [from, to] = [byId.get(edge.source), byId.get(edge.target)];
    if (from && to) links.push({ from, to, owner: null, strength: 0.6 });
  }
  return links;
}

function replaceLinks(
  lines: Graphics["lines"],
  links: readonly GalaxyLink[],
  marks: GalaxyMarks,
  colours: ColourSet,
): void {
  const positions: number[] = [];
  const vertexColours: number[] = [];
  const mixed = new THREE.Color();
  for (const { from, to, owner, strength } of links) {
    const [p, q] = [from.node.position, to.node.position];
    const isBright = !marks.bright || (marks.bright.has(from.id) && marks.bright.has(to.id));
    const colour = owner ? colourOf(owner, colours) : colours.line;
    mixed.copy(colours.background).lerp(colour, (isBright ? 1 : DIMMED) * strength);
    positions.push(p.x, p.y, p.z, q.x, q.y, q.z);
    vertexColours.push(mixed.r, mixed.g, mixed.b, mixed.r, mixed.g, mixed.b);
  }
  lines.geometry.dispose();
  lines.geometry = new THREE.BufferGeometry();
  lines.geometry.setAttribute("position", new THREE.Float32BufferAttribute(positions, 3));
  lines.geometry.setAttribute("color", new THREE.Float32BufferAttribute(vertexColours, 3));
}

/** Draws lines and discs as the shaders do (`galaxy-graphics.ts`). */
function drawGalaxy(
  pen: Pen,
  { nodes, screen, size }: GalaxyView,
  links: readonly GalaxyLink[],
  colours: ColourSet,
): void {
  pen.globalAlpha = 1;
  pen.fillStyle = cssColour(colours.background);
  pen.fillRect(0, 0, size.width, size.height);
  pen.lineWidth = 1;
  const mixed = new THREE.Color();
  for (const { from, to, owner, strength } of links) {
    const [a, b] = [screen.get(from.id), screen.get(to.id)];
    if (!a || !b) continue;
    const colour = owner ? colourOf(owner, colours) : colours.line;
    pen.globalAlpha = LINE_OPACITY;
    pen.strokeStyle = cssColour(mixed.copy(colours.background).lerp(colour, strength));
    pen.beginPath();
    pen.moveTo(a.x, a.y);
    pen.lineTo(b.x, b.y);
    pen.stroke();
  }
  pen.globalAlpha = 1;
  for (const n of nodes) {
    const at = screen.get(n.id);
    if (!at) continue;
    const { x, y, r, depth } = at;
    const colour = n.node.type === "core" ? colours.accent : colourOf(n, colours);
    mixed.copy(colours.background).lerp(colour, nearness(depth));
    const gradient = pen.createRadialGradient(
      x - LIGHT.x * r,
      y - LIGHT.y * r,
      0,
      x - LIGHT.x * r,
      y - LIGHT.y * r,
      LIGHT.reach * r,
    );
    gradient.addColorStop(0, cssColour(mixed.clone().multiplyScalar(LIGHT.near)));
    gradient.addColorStop(1, cssColour(mixed.multiplyScalar(LIGHT.far)));
    pen.fillStyle = gradient;
    pen.beginPath();
    pen.arc(x, y, r, 0, Math.PI * 2);
    pen.fill();
  }
}

function cssColour({ r, g, b }: THREE.Color): string {
  const hex = (part: number) =>
    Math.round(Math.min(1, part) * 255)
      .toString(16)
      .padStart(2, "0");
  return `#${hex(r)}${hex(g)}${hex(b)}`;
}
