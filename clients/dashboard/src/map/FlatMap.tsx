/** The flat map: pan, wheel, pinch, keyboard, drag and drop. `TiledCanvas` draws it, only after a change. */
import {
  type KeyboardEvent,
  type PointerEvent,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useMemo,
  useRef,
  useState,
} from "react";
import { useMessages } from "~/i18n";
import { useElementSize } from "~/ui/useElementSize";
import { fitCamera, type Size, treeCamera, uncoveredSize } from "./camera";
import { makePlan, NARROW } from "./draw";
import type { LabelMode } from "./flat-labels";
import { ARROW_DIRECTIONS, type MapHandle, type MapProps } from "./map-props";
import { type Direction, neighbourhood, step } from "./model";
import { nodeAt, type Scene, type SceneNode } from "./scene";
import { TiledCanvas } from "./tiled-canvas";
import { usePalette } from "./usePalette";
import { useZoom, type Zoom } from "./useZoom";
import "./FlatMap.css";

type Props = MapProps & { scene: Scene; mode: LabelMode; ref?: Ref<MapHandle>; sceneKey: string };

interface Drag {
  id: string;
  target: string | null;
}

/** The width of the column of zoom buttons. */
const TOOLS_PX = 48;
/** How far from a node's disc a press still counts as on it. */
const PICK_SLACK_PX = 12;

export function FlatMap(props: Props) {
  const { model, scene, mode, hovered } = props;
  const t = useMessages();
  const canvas = useRef<HTMLDivElement>(null);
  const size = useElementSize(canvas);
  const [drag, setDrag] = useState<Drag | null>(null);
  const isFirstDraw = useRef(true);
  const tiles = useTiledCanvas(canvas, isFirstDraw);
  const startsNodeDrag = useRef((_: MouseEvent): boolean => false);
  const zoom = useZoom(canvas, startsNodeDrag, (camera) => tiles.current?.setCamera(camera));

  const fitted = useRef("");
  useEffect(() => {
    // The camera is set once for each scene; after that only the user moves it.
    if (size.width === 0 || fitted.current === props.sceneKey) return;
    fitted.current = props.sceneKey;
    isFirstDraw.current = true;
    tiles.current?.replaceNext();
    zoom.moveTo(mode === "all" ? treeCamera(scene, sizeBesideTools(size)) : fittingCamera(scene, mode, size), 0);
  });
  const plan = usePlan(props, drag, size.width < NARROW);
  // This effect follows the one that sets the camera, so that the first draw is at the final position.
  useEffect(() => tiles.current?.setPlan(plan, size), [plan, size, tiles]);

  const fit = () => zoom.moveTo(fittingCamera(scene, mode, size), 300);
  useImperativeHandle(props.ref, () => ({
    zoomBy: (factor) => zoom.scaleBy(factor, 180),
    fit,
    show: (id) => {
      const n = scene.byId.get(id);
      if (!n || size.width === 0) return;
      const { x, y, k } = zoom.camera.current;
      const scale = Math.max(k, mode === "all" ? 0.75 : 0.9);
      const [px, py] = [n.x * k + x, n.y * k + y];
      const free = uncoveredSize(canvas.current, size);
      const isInside = scale === k && px > 60 && py > 40 && px < free.width - 160 && py < free.height - 40;
      if (!isInside) zoom.moveTo({ k: scale, x: free.width / 2 - n.x * scale, y: free.height / 2 - n.y * scale }, 350);
    },
  }));

  const pointer = usePointer(props, canvas, zoom, drag, setDrag);
  startsNodeDrag.current = pointer.startsNodeDrag;
  return (
    <>
      {drag && <DragHint drag={drag} model={model} />}
      <div
        ref={canvas}
        className="map-canvas"
        tabIndex={0}
        role="img"
        aria-label={t.map.canvas(model.root.label, scene.nodes.length)}
        style={{ cursor: drag ? "grabbing" : hovered ? "pointer" : "grab" }}
        {...pointer.handlers}
        onKeyDown={(event) => handleKey(event, props, zoom, fit)}
      />
    </>
  );
}

function useTiledCanvas(canvas: React.RefObject<HTMLDivElement | null>, isFirstDraw: React.RefObject<boolean>) {
  const tiles = useRef<TiledCanvas | null>(null);
  useEffect(() => {
    if (!canvas.current) return;
    const created = new TiledCanvas(canvas.current, () => {
      if (isFirstDraw.current) performance.mark("trailmind:map");
      isFirstDraw.current = false;
    });
    tiles.current = created;
    return () => created.dispose();
  }, [canvas, isFirstDraw]);
  return tiles;
}

/** The function that prepares the scene for drawing at a scale. */
function usePlan({ model, scene, mode, selected, hovered, matches }: Props, drag: Drag | null, isNarrow: boolean) {
  const palette = usePalette();
  const bright = useMemo(() => {
    if (selected && model.byId.has(selected)) return neighbourhood(model, selected);
    return hovered ? neighbourhood(model, hovered) : null;
  }, [model, selected, hovered]);
  return useCallback(
    (k: number) => {
      const marks = {
        selected,
        hovered: drag?.id ?? hovered,
        bright: drag ? null : bright,
        matches,
        dropTarget: drag?.target ?? null,
      };
      return makePlan(scene, k, palette, marks, mode, isNarrow);
    },
    [scene, palette, selected, hovered, bright, matches, drag, mode, isNarrow],
  );
}

/** Hover, click, double click, and moving a node by drag and drop. */
function usePointer(
  props: Props,
  canvas: React.RefObject<HTMLDivElement | null>,
  zoom: Zoom,
  drag: Drag | null,
  setDrag: (drag: Drag | null) => void,
) {
  const { scene, selected, hovered, onSelect, onHover, onToggle, onRename, onDrop } = props;
  const pick = (event: { clientX: number; clientY: number }): SceneNode | null => {
    const box = canvas.current?.getBoundingClientRect();
    const { x, y, k } = zoom.camera.current;
    return box
      ? nodeAt(scene, (event.clientX - box.left - x) / k, (event.clientY - box.top - y) / k, PICK_SLACK_PX / k)
      : null;
  };
  const isMovable = (n: SceneNode | null) => n !== null && n.node.type !== "core" && n.id === selected;
  const startsNodeDrag = (event: MouseEvent) => onDrop !== undefined && isMovable(pick(event));
  const handlers = {
    onPointerMove: (event: PointerEvent) => {
      const n = pick(event);
      if (drag) setDrag({ ...drag, target: n && n.id !== drag.id && n.node.type !== "page" ? n.id : null });
      else if (event.pointerType === "mouse" && event.buttons === 0 && (n?.id ?? null) !== hovered)
        onHover(n?.id ?? null);
    },
    onPointerDown: (event: PointerEvent) => {
      const n = pick(event);
      if (event.pointerType !== "mouse" || !n || !startsNodeDrag(event.nativeEvent)) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      setDrag({ id: n.id, target: null });
    },
    onPointerUp: () => {
      if (drag?.target) onDrop?.(drag.id, drag.target);
      setDrag(null);
    },
    onPointerLeave: () => onHover(null),
    onClick: (event: React.MouseEvent) => {
      const n = pick(event);
      if (n && n.id === selected && hasChildren(props, n.id) && !onDrop) onToggle(n.id);
      onSelect(n?.id ?? null);
    },
    onDoubleClick: (event: React.MouseEvent) => {
      const n = pick(event);
      if (!n) return;
      if (onRename && n.node.type !== "page") onRename(n.id);
      else onToggle(n.id);
    },
  };
  return { handlers, startsNodeDrag };
}

function DragHint({ drag, model }: { drag: Drag; model: MapProps["model"] }) {
  const t = useMessages();
  const node = model.byId.get(drag.id);
  const target = drag.target ? model.byId.get(drag.target) : undefined;
  if (!node) return null;
  return (
    <p className="map-drag" role="status">
      {target ? t.edit.drag(node.label, target.label) : t.edit.dragHint(node.label)}
    </p>
  );
}

function handleKey(event: KeyboardEvent, props: Props, zoom: Zoom, fit: () => void): void {
  const { model, scene, selected, onSelect, onToggle, onRename } = props;
  const current = selected && scene.byId.has(selected) ? selected : model.root.id;
  const activate = () => (current === selected && hasChildren(props, current) ? onToggle(current) : onSelect(current));
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
  if (onRename && selected) actions.set("F2", () => onRename(selected));
  const action = direction ? () => onSelect(nodeInDirection(props, current, direction)) : actions.get(event.key);
  if (!action) return;
  action();
  event.preventDefault();
  event.stopPropagation();
}

function hasChildren({ model }: Props, id: string): boolean {
  return (model.children.get(id)?.length ?? 0) > 0;
}

/**
 * The node that an arrow key leads to as the scene is drawn: on the core's left side, left leads away from the core.
 */
function nodeInDirection({ model, scene, collapsed }: Props, id: string, direction: Direction): string {
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

/** The part of the map that the zoom buttons do not cover. */
function sizeBesideTools(size: Size): Size {
  return size.width > 600
    ? { ...size, width: size.width - TOOLS_PX }
    : { ...size, height: Math.max(1, size.height - TOOLS_PX) };
}

/** The camera that shows the whole scene and its labels. */
function fittingCamera(scene: Scene, mode: LabelMode, size: Size) {
  if (mode === "all") return fitCamera(scene.bounds, sizeBesideTools(size), 1.1, 0);
  // Labels that point outwards need more space around the scene than labels above their nodes.
  const isOutward = scene.nodes.some((n) => n.side === "left" || n.side === "right");
  return fitCamera(scene.bounds, size, 1.1, size.width < NARROW ? 24 : isOutward ? 130 : 64);
}
