/**
 * The galaxy in 3-D: points and lines by WebGL, labels on a 2-D canvas above them. Drawn only when something changed;
 * the camera moves when the reader moves it, and never by itself.
 */
import { type Ref, useEffect, useImperativeHandle, useMemo, useRef } from "react";
import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { useMessages } from "~/i18n";
import { labelFont, type Palette } from "./draw";
import { type MapHandle, type MapProps, uncovered } from "./FlatMap";
import { type LabelBox, type Obstacle, placeLabels } from "./labels";
import { labelWidth } from "./measure";
import { type Direction, type MapModel, neighbourhood, step } from "./model";
import type { Scene, SceneNode } from "./scene";
import { usePalette } from "./usePalette";
import { CONTEXT_ATTRIBUTES, hasWebGL, takeWebGLCanvas } from "./webgl";

const VERTEX = `
attribute float size; attribute vec3 tint; attribute float alpha;
uniform float scale; uniform vec3 back; varying vec3 vTint; varying float vAlpha;
void main() {
  vec4 at = modelViewMatrix * vec4(position, 1.0);
  vAlpha = alpha;
  // What is far or dimmed takes the colour of the background instead of becoming transparent: no line shines through.
  float depth = clamp(1.0 - (-at.z - 380.0) / 900.0, 0.7, 1.0);
  vTint = mix(back, tint, depth * vAlpha);
  gl_PointSize = size * scale / -at.z;
  gl_Position = projectionMatrix * at;
}`;
const FRAGMENT = `
varying vec3 vTint;
void main() {
  vec2 p = gl_PointCoord * 2.0 - 1.0;
  float d = dot(p, p);
  if (d > 1.0) discard;
  float edge = 1.0 - smoothstep(0.82, 1.0, d);
  float light = 0.86 + 0.22 * (1.0 - distance(p, vec2(-0.3, -0.35)));
  gl_FragColor = vec4(vTint * min(light, 1.08), edge);
}`;
const RADIUS = { core: 17, topic: 11, subtopic: 6.5, page: 4 } as const;
const HOME = 620;
const LINE_HEIGHT = 1.22;
/** The light edge around letters, which sets them off against lines. */
const EDGE = 4;
/** So many labels are written anew in a frame; the others are stretched until their turn comes. */
const MOST_WRITTEN = 5;

interface Wording {
  canvas: HTMLCanvasElement;
  width: number;
  height: number;
}

export function Galaxy(props: MapProps & { scene: Scene; ref?: Ref<MapHandle> }) {
  const { model, scene: flat, selected, hovered, matches, onSelect, onHover, onToggle, collapsed, onRename } = props;
  const t = useMessages();
  const box = useRef<HTMLDivElement>(null);
  const stage = useRef<Stage | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const tones = usePalette();
  const bright = useMemo(() => {
    const centre = selected ?? hovered;
    return centre && model.byId.has(centre) ? neighbourhood(model, centre) : null;
  }, [model, selected, hovered]);

  useEffect(() => {
    if (!box.current) return;
    const made = new Stage(box.current);
    stage.current = made;
    return () => {
      made.dispose();
      stage.current = null;
    };
  }, []);
  useEffect(() => stage.current?.show(model, flat.nodes, tones), [model, flat, tones]);
  useEffect(() => stage.current?.mark({ selected, hovered, bright, matches }), [selected, hovered, bright, matches]);
  useImperativeHandle(props.ref, () => ({
    zoomBy: (factor) => stage.current?.zoomBy(factor),
    fit: () => stage.current?.home(),
    show: (id) => stage.current?.reveal(id),
  }));

  const pressed = useRef<[number, number] | null>(null);
  const keys: Record<string, Direction> = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };
  return (
    <div
      ref={box}
      className="map-canvas galaxy"
      tabIndex={0}
      role="img"
      aria-label={t.map.canvas(model.root.label, flat.nodes.length)}
      onPointerDown={(e) => {
        pressed.current = [e.clientX, e.clientY];
      }}
      onPointerMove={(e) => {
        if (e.pointerType !== "mouse" || e.buttons !== 0) return;
        const found = stage.current?.pick(e.clientX, e.clientY) ?? null;
        if (found !== latest.current.hovered) onHover(found);
      }}
      onPointerLeave={() => onHover(null)}
      onClick={(e) => {
        const [x, y] = pressed.current ?? [e.clientX, e.clientY];
        // The end of a drag is no choice.
        if (Math.hypot(e.clientX - x, e.clientY - y) < 5) onSelect(stage.current?.pick(e.clientX, e.clientY) ?? null);
      }}
      onDoubleClick={(e) => {
        const found = stage.current?.pick(e.clientX, e.clientY);
        if (found) stage.current?.fly(found);
      }}
      onKeyDown={(e) => {
        const at = selected && model.byId.has(selected) ? selected : model.root.id;
        const direction = keys[e.key];
        if (direction) onSelect(step(model, at, direction, (id) => collapsed.has(id)));
        else if (e.key === "Enter" || e.key === " ") selected ? stage.current?.fly(at) : onSelect(at);
        else if (e.key === "+" || e.key === "=") stage.current?.zoomBy(1.25);
        else if (e.key === "-") stage.current?.zoomBy(0.8);
        else if (e.key === "0") stage.current?.home();
        else if (e.key === "Escape") onSelect(null);
        else if (e.key === "F2" && selected) onRename?.(selected);
        else if (e.key === "e" && selected) onToggle(selected);
        else return;
        e.preventDefault();
        e.stopPropagation();
      }}
    />
  );
}

interface StageMarks {
  selected: string | null;
  hovered: string | null;
  bright: ReadonlySet<string> | null;
  matches: ReadonlySet<string>;
}

interface Kit {
  renderer: THREE.WebGLRenderer;
  scene: THREE.Scene;
  points: THREE.Points<THREE.BufferGeometry, THREE.ShaderMaterial>;
  lines: THREE.LineSegments<THREE.BufferGeometry, THREE.LineBasicMaterial>;
}

function makeKit(): Kit {
  const renderer = new THREE.WebGLRenderer({ canvas: takeWebGLCanvas() ?? undefined, ...CONTEXT_ATTRIBUTES });
  renderer.setPixelRatio(Math.min(1.5, devicePixelRatio || 1));
  renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
  const scene = new THREE.Scene();
  const material = new THREE.ShaderMaterial({
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    uniforms: { scale: { value: 1 }, back: { value: new THREE.Color() } },
    transparent: true,
    depthWrite: false,
  });
  const points = new THREE.Points(new THREE.BufferGeometry(), material);
  points.frustumCulled = false;
  points.renderOrder = 1;
  const lines = new THREE.LineSegments(
    new THREE.BufferGeometry(),
    new THREE.LineBasicMaterial({ vertexColors: true, transparent: true, opacity: 0.5, depthWrite: false }),
  );
  lines.frustumCulled = false;
  scene.add(lines, points);
  return { renderer, scene, points, lines };
}

let warmed: Kit | null = null;

/** Has the graphics made ready while the map's data is still on its way: compiling its programs takes long. */
export function warm(): void {
  if (warmed || !hasWebGL()) return;
  warmed = makeKit();
  warmed.renderer.compile(warmed.scene, new THREE.PerspectiveCamera());
}

/** WebGL, camera and labels, apart from React. */
class Stage {
  private readonly renderer: THREE.WebGLRenderer;
  private readonly scene: THREE.Scene;
  private readonly camera = new THREE.PerspectiveCamera(50, 1, 5, 4000);
  private readonly controls: OrbitControls;
  private readonly overlay = document.createElement("canvas");
  private readonly points: Kit["points"];
  private readonly lines: Kit["lines"];
  private readonly watch: ResizeObserver;
  private nodes: readonly SceneNode[] = [];
  private model: MapModel | null = null;
  private tones: Palette | null = null;
  private marks: StageMarks = { selected: null, hovered: null, bright: null, matches: new Set() };
  private screen = new Map<string, { x: number; y: number; r: number; depth: number }>();
  private size = { width: 1, height: 1 };
  private asked = 0;
  private flight = 0;
  private isMoved = false;
  /** Labels as they were written once, by node and size: to write the edge of letters is dear. */
  private wordings = new Map<string, Map<number, Wording>>();
  private numWritten = 0;
  /** Which of its places a label took last; it stays there while it can. */
  private seats = new Map<string, number>();
  private isPainted = false;

  constructor(private readonly box: HTMLElement) {
    ({ renderer: this.renderer, scene: this.scene, points: this.points, lines: this.lines } = warmed ?? makeKit());
    warmed = null;
    this.overlay.className = "galaxy-labels";
    box.append(this.renderer.domElement, this.overlay);
    this.camera.position.set(0, 0, HOME);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.enableDamping = false;
    this.controls.zoomToCursor = true;
    this.controls.minDistance = 40;
    this.controls.maxDistance = 2200;
    this.controls.addEventListener("change", this.ask);
    this.controls.addEventListener("start", () => {
      this.isMoved = true;
      cancelAnimationFrame(this.flight);
    });
    this.resize(box.clientWidth, box.clientHeight);
    this.watch = new ResizeObserver(
      ([entry]) => entry && this.resize(entry.contentRect.width, entry.contentRect.height),
    );
    this.watch.observe(box);
  }

  private resize(width: number, height: number): void {
    if (width === this.size.width && height === this.size.height) return;
    this.size = { width: Math.max(1, width), height: Math.max(1, height) };
    this.renderer.setSize(this.size.width, this.size.height);
    const ratio = Math.min(2, devicePixelRatio || 1);
    this.overlay.width = this.size.width * ratio;
    this.overlay.height = this.size.height * ratio;
    this.camera.aspect = this.size.width / this.size.height;
    this.camera.updateProjectionMatrix();
    this.settle();
    this.ask();
  }

  dispose(): void {
    cancelAnimationFrame(this.asked);
    cancelAnimationFrame(this.flight);
    this.watch.disconnect();
    this.controls.dispose();
    this.points.geometry.dispose();
    this.points.material.dispose();
    this.lines.geometry.dispose();
    this.lines.material.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.box.replaceChildren();
  }

  show(model: MapModel, nodes: readonly SceneNode[], tones: Palette): void {
    this.model = model;
    this.nodes = nodes;
    this.tones = tones;
    this.wordings.clear();
    const at = new Float32Array(nodes.length * 3);
    const size = new Float32Array(nodes.length);
    nodes.forEach((n, i) => {
      at.set([n.node.position.x, n.node.position.y, n.node.position.z], i * 3);
      size[i] = this.radius(n) * 2;
    });
    const geometry = this.points.geometry;
    geometry.setAttribute("position", new THREE.BufferAttribute(at, 3));
    geometry.setAttribute("size", new THREE.BufferAttribute(size, 1));
    geometry.setAttribute("tint", new THREE.BufferAttribute(new Float32Array(nodes.length * 3), 3));
    geometry.setAttribute("alpha", new THREE.BufferAttribute(new Float32Array(nodes.length), 1));
    this.settle();
    this.colour();
  }

  /** Until the reader moves it, the camera stands where everything is in the picture. */
  private settle(): void {
    if (this.isMoved || this.nodes.length === 0) return;
    this.camera.position.set(0, 0, this.homeDistance());
    this.controls.update();
  }

  mark(marks: StageMarks): void {
    this.marks = marks;
    this.colour();
  }

  zoomBy(factor: number): void {
    this.move(
      this.controls.target.clone(),
      this.camera.position.clone().sub(this.controls.target).divideScalar(factor).add(this.controls.target),
      180,
    );
  }

  home(): void {
    this.move(new THREE.Vector3(), new THREE.Vector3(0, 0, this.homeDistance()), 450);
  }

  /** As near as all nodes and their labels can be seen from. */
  private homeDistance(): number {
    const half = Math.tan((this.camera.fov * Math.PI) / 360);
    const aspect = Math.min(this.camera.aspect, 2.4);
    return Math.max(
      300,
      ...this.nodes.map(
        ({ node: { position: p } }) =>
          p.z + 1.06 * Math.max((Math.abs(p.y) + 30) / half, (Math.abs(p.x) + 48) / (half * aspect)),
      ),
    );
  }

  fly(id: string): void {
    const n = this.nodes.find((each) => each.id === id);
    if (!n) return;
    const at = new THREE.Vector3(n.node.position.x, n.node.position.y, n.node.position.z);
    const back = this.camera.position.clone().sub(this.controls.target).normalize();
    const distance = n.node.type === "page" ? 150 : 230;
    // Into the middle of what the evidence leaves in sight: the camera steps aside by as much.
    const free = uncovered(this.box, this.size);
    const step = (2 * distance * Math.tan((this.camera.fov * Math.PI) / 360)) / this.size.height;
    const right = new THREE.Vector3().setFromMatrixColumn(this.camera.matrixWorld, 0);
    const up = new THREE.Vector3().setFromMatrixColumn(this.camera.matrixWorld, 1);
    const to = at
      .addScaledVector(right, ((this.size.width - free.width) / 2) * step)
      .addScaledVector(up, (-(this.size.height - free.height) / 2) * step);
    this.move(to, to.clone().addScaledVector(back, distance), 450);
  }

  /** Only what is not in sight is brought there; the camera stays put for the rest. */
  reveal(id: string): void {
    const at = this.screen.get(id);
    const free = uncovered(this.box, this.size);
    if (!at || at.x < 30 || at.y < 30 || at.x > free.width - 30 || at.y > free.height - 30) this.fly(id);
  }

  pick(clientX: number, clientY: number): string | null {
    const bounds = this.box.getBoundingClientRect();
    let best: string | null = null;
    let nearest = Number.POSITIVE_INFINITY;
    for (const [id, at] of this.screen) {
      const distance = Math.hypot(at.x - (clientX - bounds.left), at.y - (clientY - bounds.top));
      if (distance < Math.max(10, at.r + 4) && at.depth < nearest) {
        nearest = at.depth;
        best = id;
      }
    }
    return best;
  }

  private radius(n: SceneNode): number {
    return (
      RADIUS[n.node.type] *
      (0.75 + 0.5 * Math.min(1, n.node.size / { core: 100, topic: 80, subtopic: 50, page: 40 }[n.node.type]))
    );
  }

  private move(target: THREE.Vector3, position: THREE.Vector3, ms: number): void {
    this.isMoved = true;
    cancelAnimationFrame(this.flight);
    const [from, eye] = [this.controls.target.clone(), this.camera.position.clone()];
    const began = performance.now();
    const length = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : ms;
    const tick = () => {
      const part = length === 0 ? 1 : Math.min(1, (performance.now() - began) / length);
      const eased = 1 - (1 - part) ** 3;
      this.controls.target.lerpVectors(from, target, eased);
      this.camera.position.lerpVectors(eye, position, eased);
      this.controls.update();
      this.ask();
      if (part < 1) this.flight = requestAnimationFrame(tick);
    };
    tick();
  }

  private readonly ask = (): void => {
    cancelAnimationFrame(this.asked);
    // The first picture comes with the page around it.
    if (!this.isPainted && this.nodes.length > 0 && this.size.width > 1) this.paint();
    else this.asked = requestAnimationFrame(() => this.paint());
  };

  private colour(): void {
    const { model, tones, marks } = this;
    const tint = this.points.geometry.getAttribute("tint");
    const alpha = this.points.geometry.getAttribute("alpha");
    if (!model || !tones || !(tint instanceof THREE.BufferAttribute) || !(alpha instanceof THREE.BufferAttribute))
      return;
    const raw = (css: string) => new THREE.Color().setStyle(css, THREE.LinearSRGBColorSpace);
    this.points.material.uniforms.back?.value.copy(raw(tones.bg));
    this.renderer.setClearColor(raw(tones.bg));
    const hues = tones.hue.map(raw);
    const [accent, line] = [raw(tones.accent), raw(tones.line)];
    const colourOf = (hue: number | null) => (hue === null ? line : (hues[hue] ?? line));
    this.nodes.forEach((n, i) => {
      const c = n.node.type === "core" ? accent : colourOf(n.hue);
      tint.setXYZ(i, c.r, c.g, c.b);
      alpha.setX(i, marks.bright && !marks.bright.has(n.id) && !marks.matches.has(n.id) ? 0.2 : 1);
    });
    tint.needsUpdate = true;
    alpha.needsUpdate = true;
    const places: number[] = [];
    const colours: number[] = [];
    const shown = new Map(this.nodes.map((n) => [n.id, n]));
    const link = (a: SceneNode, b: SceneNode, c: THREE.Color, strength: number) => {
      const [p, q] = [a.node.position, b.node.position];
      const isBright = !marks.bright || (marks.bright.has(a.id) && marks.bright.has(b.id));
      const back = raw(tones.bg);
      const mixed = back.lerp(c, (isBright ? 1 : 0.2) * strength);
      places.push(p.x, p.y, p.z, q.x, q.y, q.z);
      colours.push(mixed.r, mixed.g, mixed.b, mixed.r, mixed.g, mixed.b);
    };
    for (const n of this.nodes) {
      const parent = shown.get(model.parent.get(n.id) ?? "");
      if (parent) link(parent, n, colourOf(n.hue), n.node.type === "topic" ? 1 : 0.8);
    }
    for (const edge of model.cross) {
      const [a, b] = [shown.get(edge.source), shown.get(edge.target)];
      if (a && b) link(a, b, line, 0.6);
    }
    this.lines.geometry.dispose();
    this.lines.geometry = new THREE.BufferGeometry();
    this.lines.geometry.setAttribute("position", new THREE.Float32BufferAttribute(places, 3));
    this.lines.geometry.setAttribute("color", new THREE.Float32BufferAttribute(colours, 3));
    this.ask();
  }

  private paint(): void {
    const scale = this.size.height / (2 * Math.tan((this.camera.fov * Math.PI) / 360));
    const uniform = this.points.material.uniforms.scale;
    if (uniform) uniform.value = scale * this.renderer.getPixelRatio();
    this.renderer.render(this.scene, this.camera);
    const v = new THREE.Vector3();
    const eye = new THREE.Vector3();
    this.screen.clear();
    for (const n of this.nodes) {
      v.set(n.node.position.x, n.node.position.y, n.node.position.z);
      const depth = -eye.copy(v).applyMatrix4(this.camera.matrixWorldInverse).z;
      if (depth < 10) continue;
      v.project(this.camera);
      this.screen.set(n.id, {
        x: ((v.x + 1) / 2) * this.size.width,
        y: ((1 - v.y) / 2) * this.size.height,
        r: (this.radius(n) * scale) / depth,
        depth,
      });
    }
    this.write();
    if (!this.isPainted && this.nodes.length > 0) performance.mark("trailmind:map");
    this.isPainted = this.nodes.length > 0;
  }

  private write(): void {
    const context = this.overlay.getContext("2d");
    const { tones, marks } = this;
    if (!context || !tones) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.size.width, this.size.height);
    const distance = this.camera.position.distanceTo(this.controls.target);
    const boxes: LabelBox[] = [];
    const obstacles: Obstacle[] = [];
    const spoken = new Map<
      string,
      { n: SceneNode; size: number; order: number[]; places: readonly (readonly [number, number])[] }
    >();
    for (const n of this.nodes) {
      const at = this.screen.get(n.id);
      if (!at || at.x < -200 || at.y < -60 || at.x > this.size.width + 200 || at.y > this.size.height + 60) continue;
      obstacles.push({ id: n.id, x: at.x, y: at.y, r: at.r });
      const isMarked = n.id === marks.selected || n.id === marks.hovered || marks.matches.has(n.id);
      // Pages speak when the reader comes near, or when they are meant.
      const isNear = n.node.type !== "page" || at.depth < 340 || distance < 260 || (marks.bright?.has(n.id) ?? false);
      if (!isMarked && !isNear) continue;
      // In half pixels, so that a label can be used again while the camera moves.
      const size =
        Math.round(
          2 *
            { core: 19, topic: 16, subtopic: 13, page: 12 }[n.node.type] *
            Math.max(0.82, Math.min(1.15, HOME / at.depth)),
        ) / 2;
      const width = labelWidth(n.lines, n.node.type, size);
      const height = n.lines.length * size * LINE_HEIGHT;
      const rank = isMarked
        ? -1
        : n.node.type === "core"
          ? 0
          : n.node.type === "topic"
            ? 0
            : n.node.type === "subtopic"
              ? 1
              : 2;
      const away = at.r + 5;
      const around: [number, number][] = [
        [at.x, at.y - away - height / 2],
        [at.x, at.y + away + height / 2],
        [at.x + away + width / 2, at.y],
        [at.x - away - width / 2, at.y],
      ];
      const last = this.seats.get(n.id) ?? 0;
      const order = [last, ...[0, 1, 2, 3].filter((seat) => seat !== last)];
      const places = order.flatMap((seat) => (around[seat] ? [around[seat]] : []));
      spoken.set(n.id, { n, size, order, places });
      boxes.push({ id: n.id, places, width, height, turn: 0, rank, importance: 1 / at.depth });
    }
    this.numWritten = 0;
    for (const [id, place] of placeLabels(boxes, obstacles, 3)) {
      const one = spoken.get(id);
      if (!one) continue;
      this.seats.set(id, one.order[one.places.indexOf(place)] ?? 0);
      const { canvas, width, height } = this.wording(one.n, one.size, tones, ratio);
      const whole = (from: number) => Math.round(from * ratio) / ratio;
      context.globalAlpha = marks.bright && !marks.bright.has(id) && !marks.matches.has(id) ? 0.3 : 1;
      context.drawImage(canvas, whole(place[0] - width / 2), whole(place[1] - height / 2), width, height);
    }
    context.globalAlpha = 1;
    const chosen = marks.selected ? this.screen.get(marks.selected) : undefined;
    if (chosen) {
      context.beginPath();
      context.arc(chosen.x, chosen.y, chosen.r + 4, 0, Math.PI * 2);
      context.strokeStyle = tones.accent;
      context.lineWidth = 2.5;
      context.stroke();
    }
  }

  private wording(n: SceneNode, size: number, tones: Palette, ratio: number): Wording {
    const sizes = this.wordings.get(n.id) ?? new Map<number, Wording>();
    this.wordings.set(n.id, sizes);
    const known = sizes.get(size);
    if (known) return known;
    const [other] = sizes;
    if (other && ++this.numWritten > MOST_WRITTEN) {
      this.ask();
      const stretch = size / other[0];
      return { canvas: other[1].canvas, width: other[1].width * stretch, height: other[1].height * stretch };
    }
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil((labelWidth(n.lines, n.node.type, size) + 2 * EDGE) * ratio);
    canvas.height = Math.ceil((n.lines.length * size * LINE_HEIGHT + 2 * EDGE) * ratio);
    const made = { canvas, width: canvas.width / ratio, height: canvas.height / ratio };
    sizes.set(size, made);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return made;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = EDGE;
    context.strokeStyle = tones.bg;
    context.font = labelFont(n, size, tones);
    context.fillStyle =
      n.node.type === "topic" || n.node.type === "subtopic" ? (tones.ink[n.hue ?? -1] ?? tones.text) : tones.text;
    n.lines.forEach((line, i) => {
      const y = made.height / 2 + (i - (n.lines.length - 1) / 2) * size * LINE_HEIGHT;
      context.strokeText(line, made.width / 2, y);
      context.fillText(line, made.width / 2, y);
    });
    return made;
  }
}
