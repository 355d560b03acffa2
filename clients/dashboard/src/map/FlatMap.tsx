/** The flat map: pan, wheel, pinch, keyboard, drag and drop. `Picture` draws it, only when something changed. */
import { select } from "d3-selection";
import "d3-transition";
import { type D3ZoomEvent, zoom as d3zoom, type ZoomBehavior, zoomIdentity } from "d3-zoom";
import {
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useMessages } from "~/i18n";
import { fitCamera, type LabelMode, makePlan, NARROW } from "./draw";
import { type Direction, type MapModel, neighbourhood, step } from "./model";
import { nodeAt, type Scene } from "./scene";
import { TiledCanvas } from "./tiled-canvas";
import { usePalette } from "./usePalette";

export interface MapHandle {
  zoomBy: (factor: number) => void;
  fit: () => void;
  /** Brings a node into the middle without changing more than needed. */
  show: (id: string) => void;
}

export interface MapProps {
  model: MapModel;
  selected: string | null;
  hovered: string | null;
  matches: ReadonlySet<string>;
  collapsed: ReadonlySet<string>;
  onSelect: (id: string | null) => void;
  onHover: (id: string | null) => void;
  onToggle: (id: string) => void;
  onRename: ((id: string) => void) | undefined;
  /** A node was dropped on another. */
  onDrop: ((id: string, target: string) => void) | undefined;
}

const ARROWS: Record<string, Direction> = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };
const TOOLS = 48;
const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function FlatMap(props: MapProps & { scene: Scene; mode: LabelMode; ref?: Ref<MapHandle>; sceneKey: string }) {
  const { model, scene, mode, selected, hovered, matches, collapsed, onSelect, onHover, onToggle, onRename, onDrop } =
    props;
  const t = useMessages();
  const canvas = useRef<HTMLDivElement>(null);
  const picture = useRef<TiledCanvas | null>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const camera = useRef({ x: 0, y: 0, k: 1 });
  const behaviour = useRef<ZoomBehavior<HTMLDivElement, unknown> | null>(null);
  const [drag, setDrag] = useState<{ id: string; target: string | null } | null>(null);
  const tones = usePalette();
  const bright = useMemo(
    () =>
      selected && model.byId.has(selected)
        ? neighbourhood(model, selected)
        : hovered
          ? neighbourhood(model, hovered)
          : null,
    [model, selected, hovered],
  );

  const isFirst = useRef(true);
  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const keep = (width: number, height: number) =>
      setSize((old) => (old.width === width && old.height === height ? old : { width, height }));
    // Known at once, the picture comes with the page around it.
    keep(element.clientWidth, element.clientHeight);
    const watch = new ResizeObserver(([entry]) => entry && keep(entry.contentRect.width, entry.contentRect.height));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  const isNarrow = size.width < NARROW;
  const plan = useCallback(
    (k: number) => {
      const marks = {
        selected,
        hovered: drag?.id ?? hovered,
        bright: drag ? null : bright,
        matches,
        dropTarget: drag?.target ?? null,
      };
      return makePlan(scene, k, tones, marks, mode, isNarrow);
    },
    [scene, tones, selected, hovered, bright, matches, drag, mode, isNarrow],
  );
  useEffect(() => {
    if (!canvas.current) return;
    const made = new TiledCanvas(canvas.current, () => {
      if (isFirst.current) performance.mark("trailmind:map");
      isFirst.current = false;
    });
    picture.current = made;
    return () => made.dispose();
  }, []);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const zoom = d3zoom<HTMLDivElement, unknown>()
      .scaleExtent([0.03, 6])
      .filter((event: MouseEvent | TouchEvent | WheelEvent) => {
        if (event.type === "dblclick") return false;
        // A drag that begins on a node moves the node, where moving is possible.
        if (event.type === "mousedown" && (event as MouseEvent).button === 0 && draggable.current(event as MouseEvent))
          return false;
        return !("button" in event) || event.button === 0;
      })
      .on("zoom", (event: D3ZoomEvent<HTMLDivElement, unknown>) => {
        camera.current = event.transform;
        picture.current?.setCamera(event.transform);
      });
    behaviour.current = zoom;
    select(element).call(zoom).on("dblclick.zoom", null);
    return () => void select(element).on(".zoom", null);
  }, []);

  const moveTo = (to: { x: number; y: number; k: number }, ms: number) => {
    const element = canvas.current;
    const zoom = behaviour.current;
    if (!element || !zoom) return;
    const target = zoomIdentity.translate(to.x, to.y).scale(to.k);
    if (ms === 0 || isStill()) select(element).call(zoom.transform, target);
    else select(element).transition().duration(ms).call(zoom.transform, target);
  };
  // What the zoom buttons do not cover.
  const room =
    size.width > 600 ? { ...size, width: size.width - TOOLS } : { ...size, height: Math.max(1, size.height - TOOLS) };
  // Labels of pages point away from the middle and need more room around it than those above their nodes.
  const hasOutward = scene.nodes.some((n) => n.side === "left" || n.side === "right");
  const whole = () =>
    fitCamera(
      scene.bounds,
      mode === "all" ? room : size,
      1.1,
      mode === "all" ? 0 : size.width < NARROW ? 24 : hasOutward ? 130 : 64,
    );
  const fitted = useRef("");
  useEffect(() => {
    // The camera is set once for each picture; from then on it belongs to the reader.
    const key = `${props.sceneKey}`;
    if (size.width === 0 || fitted.current === key) return;
    fitted.current = key;
    isFirst.current = true;
    picture.current?.replaceNext();
    moveTo(mode === "all" ? treeCamera(scene, room) : whole(), 0);
  });
  // After the camera has its place: what is drawn is what the reader will see.
  useEffect(() => picture.current?.setPlan(plan, size), [plan, size]);

  useImperativeHandle(props.ref, () => ({
    zoomBy: (factor) => {
      if (canvas.current && behaviour.current)
        select(canvas.current)
          .transition()
          .duration(isStill() ? 0 : 180)
          .call(behaviour.current.scaleBy, factor);
    },
    fit: () => moveTo(whole(), 300),
    show: (id) => {
      const n = scene.byId.get(id);
      if (!n || size.width === 0) return;
      const { x, y, k } = camera.current;
      const scale = Math.max(k, mode === "all" ? 0.75 : 0.9);
      const [px, py] = [n.x * k + x, n.y * k + y];
      const free = uncovered(canvas.current, size);
      const isInside = scale === k && px > 60 && py > 40 && px < free.width - 160 && py < free.height - 40;
      if (!isInside) moveTo({ k: scale, x: free.width / 2 - n.x * scale, y: free.height / 2 - n.y * scale }, 350);
    },
  }));

  const at = (event: { clientX: number; clientY: number }) => {
    const box = canvas.current?.getBoundingClientRect();
    const { x, y, k } = camera.current;
    return box ? nodeAt(scene, (event.clientX - box.left - x) / k, (event.clientY - box.top - y) / k, 12 / k) : null;
  };
  const draggable = useRef((_: MouseEvent): boolean => false);
  draggable.current = (event) => {
    const found = onDrop ? at(event) : null;
    return found !== null && found.node.type !== "core" && found.id === selected;
  };

  const focusId = selected && scene.byId.has(selected) ? selected : model.root.id;
  const [dragged, over] = [drag && model.byId.get(drag.id), drag?.target ? model.byId.get(drag.target) : undefined];
  return (
    <>
      {dragged && (
        <p className="map-drag" role="status">
          {over ? t.edit.drag(dragged.label, over.label) : t.edit.dragHint(dragged.label)}
        </p>
      )}
      <div
        ref={canvas}
        className="map-canvas"
        tabIndex={0}
        role="img"
        aria-label={t.map.canvas(model.root.label, scene.nodes.length)}
        style={{ cursor: drag ? "grabbing" : hovered ? "pointer" : "grab" }}
        onPointerMove={(event) => {
          const found = at(event);
          if (drag)
            setDrag({ ...drag, target: found && found.id !== drag.id && found.node.type !== "page" ? found.id : null });
          else if (event.pointerType === "mouse" && event.buttons === 0 && (found?.id ?? null) !== hovered)
            onHover(found?.id ?? null);
        }}
        onPointerDown={(event) => {
          const found = at(event);
          if (event.pointerType === "mouse" && found && draggable.current(event.nativeEvent)) {
            event.currentTarget.setPointerCapture(event.pointerId);
            setDrag({ id: found.id, target: null });
          }
        }}
        onPointerUp={() => {
          if (drag?.target) onDrop?.(drag.id, drag.target);
          setDrag(null);
        }}
        onPointerLeave={() => onHover(null)}
        onClick={(event) => {
          const found = at(event);
          if (found && found.id === selected && (model.children.get(found.id)?.length ?? 0) > 0 && !onDrop)
            onToggle(found.id);
          onSelect(found?.id ?? null);
        }}
        onDoubleClick={(event) => {
          const found = at(event);
          if (!found) return;
          if (onRename && found.node.type !== "page") onRename(found.id);
          else onToggle(found.id);
        }}
        onKeyDown={(event) => {
          const direction = ARROWS[event.key];
          if (direction) {
            const sided =
              scene.byId.get(focusId)?.side === "left" || (focusId === model.root.id && direction === "left")
                ? mirrored(direction)
                : direction;
            onSelect(
              focusId === model.root.id && sided === "right"
                ? firstOn(direction)
                : step(model, focusId, sided, (id) => collapsed.has(id)),
            );
          } else if (event.key === "Enter" || event.key === " ") {
            if (focusId === selected && (model.children.get(focusId)?.length ?? 0) > 0) onToggle(focusId);
            else onSelect(focusId);
          } else if (event.key === "+" || event.key === "=")
            behaviour.current && canvas.current && select(canvas.current).call(behaviour.current.scaleBy, 1.25);
          else if (event.key === "-")
            behaviour.current && canvas.current && select(canvas.current).call(behaviour.current.scaleBy, 0.8);
          else if (event.key === "0") moveTo(whole(), 300);
          else if (event.key === "Escape") onSelect(null);
          else if (event.key === "F2" && onRename && selected) onRename(selected);
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
    </>
  );

  /** From the core, left and right lead to the first topic on that side of the picture. */
  function firstOn(direction: Direction): string {
    const children = model.children.get(model.root.id) ?? [];
    return (
      children.find((id) => (direction === "left") === (scene.byId.get(id)?.x ?? 0) < 0) ?? children[0] ?? model.root.id
    );
  }
}

/** What of the map the evidence leaves in sight where it lies above it. */
export function uncovered(
  canvas: HTMLElement | null,
  size: { width: number; height: number },
): { width: number; height: number } {
  const map = canvas?.getBoundingClientRect();
  const panel = canvas?.closest(".session-body")?.querySelector(".evidence")?.getBoundingClientRect();
  if (!map || !panel || panel.left >= map.right - 1) return size;
  return panel.left > map.left + 40
    ? { ...size, width: panel.left - map.left }
    : { ...size, height: Math.max(48, panel.top - map.top) };
}

function mirrored(direction: Direction): Direction {
  return direction === "left" ? "right" : direction === "right" ? "left" : direction;
}

/** A tree too large to be read at once begins at its core in a readable size; every other begins whole. */
function treeCamera(scene: Scene, size: { width: number; height: number }) {
  const whole = fitCamera(scene.bounds, size);
  if (whole.k > 0.58) return whole;
  const { x0, x1 } = scene.bounds;
  const k = size.width < 600 ? 0.72 : 0.62;
  // With branches to one side only, the core stands at the left edge.
  return { k, x: x1 > -3 * x0 ? 16 - x0 * k : size.width / 2, y: size.height / 2 };
}
