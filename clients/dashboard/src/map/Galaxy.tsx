/**
 * The galaxy in 3-D: points and lines by WebGL, labels on a 2-D canvas above them. The camera moves only on the user's
 * input.
 */
import { type KeyboardEvent, type Ref, useEffect, useImperativeHandle, useMemo, useRef } from "react";
import { useMessages } from "~/i18n";
import { GalaxyRenderer } from "./galaxy-renderer";
import { ARROW_DIRECTIONS, type MapHandle, type MapProps } from "./map-props";
import { neighbourhood, step } from "./model";
import { MAX_CLICK_PX, nextPress, noteMapClick, type Press } from "./presses";
import type { Scene } from "./scene";
import { usePalette } from "./usePalette";
import "./Galaxy.css";

export { prewarm } from "./galaxy-graphics";

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
    picture: (title) => renderer.current?.picture(title) ?? null,
    rectOf: (id) => {
      const at = renderer.current?.positionOf(id);
      return at ? { x: at.x, y: at.y - at.r - 26, width: 0, height: 20, align: "center", fontSize: 13 } : null;
    },
  }));

  const nodeAt = (event: { clientX: number; clientY: number }) =>
    renderer.current?.pick(event.clientX, event.clientY) ?? null;
  const press = useRef<Press<string | null> | null>(null);
  return (
    <div
      ref={box}
      className="map-canvas galaxy"
      tabIndex={0}
      role="img"
      aria-label={t.map.canvas(model.root.label, scene.nodes.length)}
      onPointerDown={(e) => {
        press.current = nextPress(press.current, e.clientX, e.clientY, e.timeStamp, nodeAt(e));
      }}
      onPointerMove={(e) => {
        if (e.pointerType !== "mouse" || e.buttons !== 0) return;
        const id = nodeAt(e);
        if (id !== hovered) onHover(id);
      }}
      onPointerLeave={() => onHover(null)}
      onClick={(e) => {
        const from = press.current;
        if (from && Math.hypot(e.clientX - from.x, e.clientY - from.y) > MAX_CLICK_PX) return;
        noteMapClick(e.clientX, e.clientY);
        onSelect(from ? from.hit : nodeAt(e));
      }}
      onDoubleClick={() => {
        const id = press.current?.hit;
        if (id) renderer.current?.flyTo(id);
      }}
      onKeyDown={(e) => handleKey(e, props, renderer.current)}
    />
  );
}

function handleKey(event: KeyboardEvent, props: MapProps, renderer: GalaxyRenderer | null): void {
  const { model, selected, collapsed, onSelect, onToggle, editing } = props;
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
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (selected) {
    actions.set("F2", () => editing?.startRename(selected));
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
