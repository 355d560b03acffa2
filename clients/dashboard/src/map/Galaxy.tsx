/**
 * The galaxy in 3-D: points and lines by WebGL, labels on a 2-D canvas above them. The camera moves only on the user's
 * input.
 */
import { type KeyboardEvent, type Ref, useEffect, useImperativeHandle, useMemo, useRef } from "react";
import { useMessages } from "~/i18n";
import { GalaxyRenderer } from "./galaxy-renderer";
import { ARROW_DIRECTIONS, type MapHandle, type MapProps } from "./map-props";
import { neighbourhood, step } from "./model";
import type { Scene } from "./scene";
import { usePalette } from "./usePalette";
import "./Galaxy.css";

export { prewarm } from "./galaxy-graphics";

/** A pointer that moved further between press and release is a drag, not a click. */
const MAX_CLICK_DISTANCE = 5;

export function Galaxy(props: MapProps & { scene: Scene; ref?: Ref<MapHandle> }) {
  const { model, scene, selected, hovered, matches, onSelect, onHover } = props;
  const t = useMessages();
  const box = useRef<HTMLDivElement>(null);
  const renderer = useRef<GalaxyRenderer | null>(null);
  const palette = usePalette();
  const bright = useMemo(() => {
    const centre = selected ?? hovered;
    return centre && model.byId.has(centre) ? neighbourhood(model, centre) : null;
  }, [model, selected, hovered]);

  useEffect(() => {
    if (!box.current) return;
    const created = new GalaxyRenderer(box.current);
    renderer.current = created;
    return () => {
      created.dispose();
      renderer.current = null;
    };
  }, []);
  useEffect(() => renderer.current?.setScene(model, scene.nodes, palette), [model, scene, palette]);
  useEffect(
    () => renderer.current?.setMarks({ selected, hovered, bright, matches }),
    [selected, hovered, bright, matches],
  );
  useImperativeHandle(props.ref, () => ({
    zoomBy: (factor) => renderer.current?.zoomBy(factor),
    fit: () => renderer.current?.fit(),
    show: (id) => renderer.current?.reveal(id),
  }));

  const nodeAt = (event: { clientX: number; clientY: number }) =>
    renderer.current?.pick(event.clientX, event.clientY) ?? null;
  const pressedAt = useRef<[number, number] | null>(null);
  return (
    <div
      ref={box}
      className="map-canvas galaxy"
      tabIndex={0}
      role="img"
      aria-label={t.map.canvas(model.root.label, scene.nodes.length)}
      onPointerDown={(e) => {
        pressedAt.current = [e.clientX, e.clientY];
      }}
      onPointerMove={(e) => {
        if (e.pointerType !== "mouse" || e.buttons !== 0) return;
        const id = nodeAt(e);
        if (id !== hovered) onHover(id);
      }}
      onPointerLeave={() => onHover(null)}
      onClick={(e) => {
        const [x, y] = pressedAt.current ?? [e.clientX, e.clientY];
        if (Math.hypot(e.clientX - x, e.clientY - y) < MAX_CLICK_DISTANCE) onSelect(nodeAt(e));
      }}
      onDoubleClick={(e) => {
        const id = nodeAt(e);
        if (id) renderer.current?.flyTo(id);
      }}
      onKeyDown={(e) => handleKey(e, props, renderer.current)}
    />
  );
}

function handleKey(event: KeyboardEvent, props: MapProps, renderer: GalaxyRenderer | null): void {
  const { model, selected, collapsed, onSelect, onToggle, onRename } = props;
  const current = selected && model.byId.has(selected) ? selected : model.root.id;
  const activate = () => (selected ? renderer?.flyTo(current) : onSelect(current));
  const direction = ARROW_DIRECTIONS[event.key];
  const actions = new Map([
    ["Enter", activate],
    [" ", activate],
    ["+", () => renderer?.zoomBy(1.25)],
    ["=", () => renderer?.zoomBy(1.25)],
    ["-", () => renderer?.zoomBy(0.8)],
    ["0", () => renderer?.fit()],
    ["Escape", () => onSelect(null)],
  ]);
  if (selected) {
    actions.set("F2", () => onRename?.(selected));
    actions.set("e", () => onToggle(selected));
  }
  const action = direction
    ? () => onSelect(step(model, current, direction, (id) => collapsed.has(id)))
    : actions.get(event.key);
  if (!action) return;
  action();
  event.preventDefault();
  event.stopPropagation();
}
