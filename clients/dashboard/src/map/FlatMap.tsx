/** The flat map: pan, wheel, pinch, keyboard. `TiledCanvas` draws it, only after a change. */
import {
  type KeyboardEvent,
  type RefObject,
  useCallback,
  useEffect,
  useEffectEvent,
  useImperativeHandle,
  useMemo,
  useRef,
  useState,
} from "react";
import { useMessages } from "~/i18n";
import { useElementSize } from "~/ui/useElementSize";
import { useEventState } from "~/ui/useEventState";
import { type Camera, firstCamera, movedIntoView, type Size, sizeBesideTools, uncoveredSize } from "./camera";
import { DragGhost } from "./DragGhost";
import { type DrawPlan, makePlan, NARROW } from "./draw";
import { hitAt, type LabelMode, type PlacedLabel, pixelBounds } from "./flat-labels";
import type { Drag, FindHit, FlatMapProps } from "./flat-map-props";
import { ARROW_DIRECTIONS, type LabelRect } from "./map-props";
import { ancestors, type Direction, neighbourhood, step, subtree } from "./model";
import { waitBeforeCovering } from "./presses";
import type { Scene } from "./scene";
import { TiledCanvas } from "./tiled-canvas";
import { usePalette } from "./usePalette";
import { usePointer } from "./usePointer";
import { useZoom, type Zoom } from "./useZoom";
import "./FlatMap.css";

/** How far from a node's disc a press still counts as on it. A finger needs 44 px in all. */
const PICK_SLACK_PX = { mouse: 8, touch: 20 };
/** The directions in which Shift with an arrow moves a node, and how far. */
const KEY_STEPS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};
const KEY_STEP_PX = 24;

export function FlatMap(props: FlatMapProps) {
  const { model, scene, mode, hovered, selected } = props;
  const t = useMessages();
  const canvas = useRef<HTMLDivElement>(null);
  const marker = useRef<HTMLDivElement>(null);
  const size = useElementSize(canvas);
  const isNarrow = size.width < NARROW;
  const [drag, dragNow, setDrag] = useEventState<Drag | null>(null);
  const isFirstDraw = useRef(true);
  const tiles = useTiledCanvas(canvas, isFirstDraw, () => placeMarker());
  const startsNodeDrag = useRef((_: MouseEvent): boolean => false);
  const latestPlan = useRef<DrawPlan | null>(null);
  const onCamera = (camera: Camera) => {
    tiles.current?.setCamera(camera);
    // Moving an element that is no layer of its own makes the browser paint the frame: a marker that is not seen
    // follows when the camera rests.
    if (canvas.current?.matches(":focus-visible")) placeMarker();
  };
  const isMovedByUser = useRef(false);
  const onUserMove = () => {
    isMovedByUser.current = true;
  };
  const zoom = useZoom(canvas, startsNodeDrag, onCamera, onUserMove, () => placeMarker());
  // The node that the arrow keys start from: the selected one, also after the selection has ended.
  const cursor = useCursor(props);

  const rectOf = (id: string): LabelRect | null => {
    const plan = latestPlan.current;
    const label = plan?.labels.find((each) => each.n.id === id);
    return plan && label ? labelRect(label, plan, zoom.camera.current) : null;
  };
  const placeMarker = () => {
    const rect = rectOf(cursor);
    if (!marker.current || !rect) return;
    marker.current.style.transform = `translate(${rect.x}px, ${rect.y}px)`;
    marker.current.style.width = `${rect.width}px`;
    marker.current.style.height = `${rect.height}px`;
  };
  // On a wide screen a notice covers a corner; on a narrow one the map begins below it.
  const top = isNarrow ? Math.min(props.coveredTop, size.height / 2) : 0;
  const free = { width: size.width, height: size.height - top };
  const below = (camera: Camera): Camera => ({ ...camera, y: camera.y + top });
  const startCamera = () => below(firstCamera(scene, mode, isNarrow, free));
  const anchor = useRef<string | null>(null);
  useCameraOfScene({ props, size, top, isNarrow, zoom, tiles, isFirstDraw, isMovedByUser, anchor, startCamera });
  const plan = usePlan(props, drag, isNarrow, latestPlan);
  // This effect follows the one that sets the camera, so that the first draw is at the final position.
  useEffect(() => tiles.current?.setPlan(plan, size), [plan, size, tiles]);
  useEffect(placeMarker);

  const fit = () => {
    isMovedByUser.current = false;
    zoom.moveTo(startCamera(), 300);
  };
  const showTimer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useImperativeHandle(props.ref, () => ({
    zoomBy: (factor) => {
      isMovedByUser.current = true;
      zoom.scaleBy(factor, 180);
    },
    fit,
    rectOf,
    show: (id) => {
      clearTimeout(showTimer.current);
      const n = scene.byId.get(id);
      if (!n || size.width === 0) return;
      const { x, y, k } = zoom.camera.current;
      const rect = rectOf(id) ?? { x: n.x * k + x - 8, y: n.y * k + y - 8, width: 16, height: 16 };
      const box = { x0: rect.x, y0: rect.y, x1: rect.x + rect.width, y1: rect.y + rect.height };
      // Below the evidence panel the control that folds the branch could not be pressed.
      const fold = latestPlan.current?.labels.find((label) => label.n.id === id)?.fold;
      if (fold && latestPlan.current) {
        const stretch = k / latestPlan.current.k;
        box.x0 = Math.min(box.x0, (fold.x - fold.width / 2) * stretch + x);
        box.x1 = Math.max(box.x1, (fold.x + fold.width / 2) * stretch + x);
      }
      const moved = movedIntoView(zoom.camera.current, box, uncoveredSize(canvas.current, size), 8);
      if (moved.x === x && moved.y === y) return;
      // A node that was just clicked stays under the pointer for as long as a double click is possible.
      const bounds = canvas.current?.getBoundingClientRect();
      const waitMs = waitBeforeCovering(
        (px, py) =>
          bounds !== undefined &&
          Math.abs(px - bounds.left - (box.x0 + box.x1) / 2) < rect.width / 2 + 40 &&
          Math.abs(py - bounds.top - (box.y0 + box.y1) / 2) < rect.height / 2 + 30,
      );
      isMovedByUser.current = true;
      showTimer.current = setTimeout(() => zoom.moveTo(moved, 350), waitMs);
    },
  }));
  useEffect(() => () => clearTimeout(showTimer.current), []);

  const findHit: FindHit = (at, isTouch) => {
    const box = canvas.current?.getBoundingClientRect();
    const current = latestPlan.current;
    if (!box || !current) return null;
    const { x, y, k } = zoom.camera.current;
    const stretch = k / current.k;
    const slack = (isTouch ? PICK_SLACK_PX.touch : PICK_SLACK_PX.mouse) / stretch;
    const [px, py] = [(at.clientX - box.left - x) / stretch, (at.clientY - box.top - y) / stretch];
    return hitAt(scene, current.labels, current.k, px, py, slack, true);
  };
  const toggle = (id: string) => {
    anchor.current = id;
    props.onToggle(id);
  };
  const drop = () => {
    const dropped = dragNow.current;
    setDrag(null);
    if (!dropped?.target) return;
    // A map that its reader arranges stays where it is.
    isMovedByUser.current = true;
    props.editing?.drop(dropped.id, dropped.target);
  };
  const pointer = usePointer(props, canvas, findHit, toggle, latestPlan, zoom, dragNow, setDrag, drop);
  startsNodeDrag.current = pointer.startsNodeDrag;
  const node = model.byId.get(cursor) ?? model.root;
  /** Shift with an arrow moves the cursor's node; letting go of Shift drops it. */
  const dragByKeys = ([right, down]: readonly [number, number]) => {
    const rect = rectOf(cursor);
    if (!rect || !props.editing || cursor === model.root.id) return;
    const before = dragNow.current?.id === cursor ? dragNow.current : null;
    const from = before?.from ?? { x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 };
    const at = before ?? from;
    const [x, y] = [at.x + right * KEY_STEP_PX, at.y + down * KEY_STEP_PX];
    setDrag({ id: cursor, from, x, y, target: pointer.freePlace(cursor, x - from.x, y - from.y) });
  };
  return (
    <>
      {drag && <DragGhost drag={drag} model={model} hasPlaces={props.placeAt !== null} />}
      <div
        ref={canvas}
        className="map-canvas"
        tabIndex={0}
        role="tree"
        aria-label={t.map.canvas(model.root.label, scene.nodes.length)}
        aria-activedescendant="map-cursor"
        style={{ cursor: drag ? "grabbing" : hovered ? "pointer" : "grab" }}
        {...pointer.handlers}
        onKeyDown={(event) => {
          const step = event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey && KEY_STEPS[event.key];
          if (step) dragByKeys(step);
          else if (dragNow.current && event.key === "Escape") pointer.cancel();
          else return handleKey(event, props, cursor, zoom, fit, toggle);
          event.preventDefault();
          event.stopPropagation();
        }}
        onKeyUp={(event) => {
          if (dragNow.current && event.key === "Shift") drop();
        }}
        onBlur={() => dragNow.current && pointer.cancel()}
      >
        <div
          ref={marker}
          id="map-cursor"
          className="map-cursor"
          role="treeitem"
          tabIndex={-1}
          data-node={cursor}
          aria-label={node.label}
          aria-level={(model.depth.get(node.id) ?? 0) + 1}
          aria-selected={node.id === selected}
          aria-expanded={hasChildren(props, node.id) ? !props.collapsed.has(node.id) : undefined}
        />
      </div>
    </>
  );
}

function labelRect({ n, x, y, width, height, size }: PlacedLabel, plan: DrawPlan, camera: Camera): LabelRect {
  const stretch = camera.k / plan.k;
  const isTurned = n.turn !== 0;
  const [w, h] = [width * stretch, height * stretch];
  return {
    x: x * stretch + camera.x - (isTurned ? h : w) / 2,
    y: y * stretch + camera.y - h / 2,
    width: isTurned ? h : w,
    height: h,
    align: isTurned || n.side === "top" || n.side === "center" ? "center" : n.side === "left" ? "right" : "left",
    fontSize: size * stretch,
  };
}

/** The drawing in `canvas`; `onDrawn` is called when the map is visible at a new scale or with a new appearance. */
function useTiledCanvas(
  canvas: RefObject<HTMLDivElement | null>,
  isFirstDraw: RefObject<boolean>,
  onDrawn: () => void,
) {
  const tiles = useRef<TiledCanvas | null>(null);
  const drawn = useEffectEvent(onDrawn);
  useEffect(() => {
    if (!canvas.current) return;
    const created = new TiledCanvas(canvas.current, () => {
      if (isFirstDraw.current) performance.mark("trailmind:map");
      isFirstDraw.current = false;
      drawn();
    });
    tiles.current = created;
    return () => created.dispose();
  }, [canvas, isFirstDraw]);
  return tiles;
}

function useCursor({ model, scene, selected }: FlatMapProps): string {
  const [last, setLast] = useState<string | null>(selected);
  useEffect(() => {
    if (selected) setLast(selected);
  }, [selected]);
  const wanted = selected ?? last;
  return wanted && model.byId.has(wanted) && scene.byId.has(wanted) ? wanted : model.root.id;
}

/**
 * Moves the camera when the scene changes. Until the user moves it, the whole map is in view. After that only a fold
 * moves it: what was folded stays where it is, and what appears below it comes into view.
 */
function useCameraOfScene({
  props,
  size,
  top,
  isNarrow,
  zoom,
  tiles,
  isFirstDraw,
  isMovedByUser,
  anchor,
  startCamera,
}: {
  props: FlatMapProps;
  size: Size;
  top: number;
  isNarrow: boolean;
  zoom: Zoom;
  tiles: RefObject<TiledCanvas | null>;
  isFirstDraw: RefObject<boolean>;
  isMovedByUser: RefObject<boolean>;
  anchor: RefObject<string | null>;
  startCamera: () => Camera;
}) {
  const { scene, mode, model, selected, isGrowing } = props;
  const shown = useRef<{ key: string; scene: Scene; size: Size; top: number } | null>(null);
  useEffect(() => {
    if (size.width === 0) return;
    const before = shown.current;
    shown.current = { key: props.sceneKey, scene, size, top };
    if (before?.key !== props.sceneKey) {
      isMovedByUser.current = false;
      isFirstDraw.current = true;
      tiles.current?.replaceNext();
      zoom.moveTo(startCamera(), 0);
      return;
    }
    const isSameScene = before.scene === scene;
    const isSameTop = before.top === top;
    if (isSameScene && before.size === size && isSameTop) return;
    const folded = anchor.current;
    anchor.current = null;
    if (folded) isMovedByUser.current = true;
    // Of the nodes that may have moved, the folded or else the selected one stays where it is on the screen.
    const fixed = [folded, isGrowing ? null : selected].find(
      (id) =>
        id && !isSameScene && before.scene.byId.has(id) && scene.byId.has(id) && !isPlacedAnew(id, before.scene, props),
    );
    if (fixed) keepInPlace(fixed, before.scene);
    else if (!isMovedByUser.current) zoom.moveTo(startCamera(), isSameScene && isSameTop ? 0 : 250);
    if (folded) revealBranch(folded);
  });

  const keepInPlace = (id: string, before: Scene) => {
    const [from, to] = [before.byId.get(id), scene.byId.get(id)];
    if (!from || !to) return;
    const { x, y, k } = zoom.camera.current;
    tiles.current?.replaceNext();
    zoom.moveTo({ k, x: x + (from.x - to.x) * k, y: y + (from.y - to.y) * k }, 0);
  };
  const revealBranch = (id: string) => {
    const root = scene.byId.get(id);
    if (!root || root.numCollapsed > 0) return;
    const below = subtree(model, id);
    const branch: Scene = { ...scene, nodes: scene.nodes.filter((n) => below.has(n.id)) };
    const camera = zoom.camera.current;
    const box = partBounds(branch, root, camera, mode, isNarrow);
    const moved = movedIntoView(camera, box, sizeBesideTools(size));
    if (moved.x !== camera.x || moved.y !== camera.y) zoom.moveTo(moved, 300);
  };
}

/** Whether the reader has just given a node, or one above it, another place: it moves, and the others stay. */
function isPlacedAnew(id: string, before: Scene, { model, scene }: FlatMapProps): boolean {
  const places = (of: Scene, each: string) => JSON.stringify(of.byId.get(each)?.node.data.places ?? {});
  return [id, ...ancestors(model, id)].some((each) => places(before, each) !== places(scene, each));
}

/** Where a part of a scene is on the screen. */
function partBounds(part: Scene, root: { x: number; y: number }, camera: Camera, mode: LabelMode, isNarrow: boolean) {
  // The bounds always contain the world's centre, so the part is moved there.
  const nodes = part.nodes.map((n) => ({ ...n, x: n.x - root.x, y: n.y - root.y }));
  const { x0, y0, x1, y1 } = pixelBounds({ ...part, nodes }, camera.k, mode, isNarrow);
  const [x, y] = [root.x * camera.k + camera.x, root.y * camera.k + camera.y];
  return { x0: x0 + x, y0: y0 + y, x1: x1 + x, y1: y1 + y };
}

/** The function that prepares the scene for drawing at a scale. */
function usePlan(
  { model, scene, mode, selected, hovered, matches }: FlatMapProps,
  drag: Drag | null,
  isNarrow: boolean,
  latest: RefObject<DrawPlan | null>,
) {
  const palette = usePalette();
  const bright = useMemo(() => {
    if (selected && model.byId.has(selected)) return neighbourhood(model, selected);
    return hovered ? neighbourhood(model, hovered) : null;
  }, [model, selected, hovered]);
  const draggedId = drag?.id ?? null;
  const dropTarget = drag?.target && drag.target.kind !== "place" ? drag.target.id : null;
  return useCallback(
    (k: number) => {
      const marks = { selected, hovered: draggedId ?? hovered, bright: draggedId ? null : bright, matches, dropTarget };
      latest.current = makePlan(scene, k, palette, marks, mode, isNarrow);
      return latest.current;
    },
    [scene, palette, selected, hovered, bright, matches, draggedId, dropTarget, mode, isNarrow, latest],
  );
}

function handleKey(
  event: KeyboardEvent,
  props: FlatMapProps,
  cursor: string,
  zoom: Zoom,
  fit: () => void,
  toggle: (id: string) => void,
): void {
  const { selected, onSelect, editing } = props;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const activate = () => (cursor === selected && hasChildren(props, cursor) ? toggle(cursor) : onSelect(cursor));
  const direction = ARROW_DIRECTIONS[event.key];
  const actions = new Map([
    ["Enter", activate],
    [" ", activate],
    ["+", () => zoom.scaleBy(1.25, 0)],
    ["=", () => zoom.scaleBy(1.25, 0)],
    ["-", () => zoom.scaleBy(0.8, 0)],
    ["0", fit],
    ["Escape", () => onSelect(null)],
  ]);
  if (editing) actions.set("F2", () => editing.startRename(cursor));
  const action = direction ? () => onSelect(nodeInDirection(props, cursor, direction)) : actions.get(event.key);
  if (!action) return;
  action();
  event.preventDefault();
  event.stopPropagation();
}

function hasChildren({ model }: FlatMapProps, id: string): boolean {
  return (model.children.get(id)?.length ?? 0) > 0;
}

/**
 * The node that an arrow key leads to as the scene is drawn: on the core's left side, left leads away from the core.
 */
function nodeInDirection({ model, scene, collapsed }: FlatMapProps, id: string, direction: Direction): string {
  const isRoot = id === model.root.id;
  const isMirrored = scene.byId.get(id)?.side === "left" || (isRoot && direction === "left");
  const outward = isMirrored ? mirrored(direction) : direction;
  if (!isRoot || outward !== "right") return step(model, id, outward, (each) => collapsed.has(each));
  // From the core, left and right lead to the first topic on that side.
  const topics = model.children.get(id) ?? [];
  return topics.find((topic) => (direction === "left") === (scene.byId.get(topic)?.x ?? 0) < 0) ?? topics[0] ?? id;
}

function mirrored(direction: Direction): Direction {
  return direction === "left" ? "right" : direction === "right" ? "left" : direction;
}
