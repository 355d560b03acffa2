/** Hover, click, double click, and moving a node by drag and drop; a finger holds the node first. */
import { type PointerEvent, type RefObject, useEffect, useRef } from "react";
import type { DrawPlan } from "./draw";
import type { Hit, PlacedLabel } from "./flat-labels";
import type { Drag, FindHit, FlatMapProps } from "./flat-map-props";
import type { DropTarget } from "./map-props";
import { subtree } from "./model";
import { MAX_CLICK_PX, nextPress, noteMapClick, type Press } from "./presses";
import type { Zoom } from "./useZoom";

/** How far above or below a topic's label a drop still merges with it. */
const MERGE_REACH_PX = 16;

/** A node that is dropped this close to where it stood stays there. */
const MIN_PLACE_PX = 12;

/** How long a finger rests on a node before it drags it: a finger that moves at once pans the map. */
const HOLD_MS = 450;
/** A resting finger trembles. */
const HOLD_SLACK_PX = 10;

export function usePointer(
  props: FlatMapProps,
  canvas: RefObject<HTMLDivElement | null>,
  findHit: FindHit,
  toggle: (id: string) => void,
  plan: RefObject<DrawPlan | null>,
  zoom: Zoom,
  drag: RefObject<Drag | null>,
  setDrag: (drag: Drag | null) => void,
  drop: () => void,
) {
  const { model, scene, hovered, onSelect, onHover, editing } = props;
  const press = useRef<Press<Hit | null> | null>(null);
  const hasDragged = useRef(false);
  const stopHold = useRef(() => {});
  const isTouchDrag = useRef(false);
  const endTouch = () => {
    stopHold.current();
    isTouchDrag.current = false;
  };
  /** Ends a drag without a drop. The button that is still pressed begins no other. */
  const cancel = () => {
    endTouch();
    press.current = null;
    setDrag(null);
  };
  useEffect(() => {
    const element = canvas.current;
    // d3-zoom has begun to pan with the same touch.
    const keepFromPanning = (event: TouchEvent) => {
      if (!isTouchDrag.current) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    element?.addEventListener("touchmove", keepFromPanning, { capture: true, passive: false });
    return () => {
      element?.removeEventListener("touchmove", keepFromPanning, { capture: true });
      stopHold.current();
    };
  }, [canvas]);
  const isMovable = (hit: Hit | null) => hit !== null && !hit.isFold && hit.n.node.type !== "core";
  const pressAt = (event: PointerEvent, isTouch: boolean) => {
    press.current = nextPress(press.current, event.clientX, event.clientY, event.timeStamp, findHit(event, isTouch));
  };
  // d3-zoom gets the mouse event of the same press after this hook's pointer event.
  const startsNodeDrag = () => editing !== null && isMovable(press.current?.hit ?? null);

  const targetAt = ({ id, from }: Drag, event: PointerEvent): DropTarget | null => {
    const box = canvas.current?.getBoundingClientRect();
    if (!editing || !box) return null;
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    if (x < 0 || y < 0 || x > box.width || y > box.height) return null;
    const hit = findHit(event, false);
    const below = subtree(model, id);
    const target = hit && !below.has(hit.n.id) ? hit.n : null;
    if (target) {
      const group = target.node.type === "page" ? (model.parent.get(target.id) ?? target.id) : target.id;
      return editing.dropOn(id, group, "into");
    }
    const type = model.byId.get(id)?.type;
    const beside = type === "page" ? null : labelBeside(event, type, below);
    if (beside) return editing.dropOn(id, beside.n.id, "merge");
    return Math.hypot(x - from.x, y - from.y) < MIN_PLACE_PX ? null : freePlace(id, x - from.x, y - from.y);
  };
  /** The free place of a node that is moved by so many pixels. */
  const freePlace = (id: string, dx: number, dy: number): DropTarget | null => {
    const n = scene.byId.get(id);
    const { k } = zoom.camera.current;
    const place = n && props.placeAt ? props.placeAt(id, n.x + dx / k, n.y + dy / k) : null;
    return place && { kind: "place", place };
  };
  /** The label of a type closest above or below the pointer. */
  const labelBeside = (event: PointerEvent, type: string | undefined, except: ReadonlySet<string>) => {
    const box = canvas.current?.getBoundingClientRect();
    const current = plan.current;
    if (!box || !current) return null;
    const { x, y, k } = zoom.camera.current;
    const stretch = k / current.k;
    const [px, py] = [(event.clientX - box.left - x) / stretch, (event.clientY - box.top - y) / stretch];
    let best: PlacedLabel | null = null;
    let nearest = MERGE_REACH_PX / stretch;
    for (const label of current.labels) {
      if (label.n.node.type !== type || except.has(label.n.id)) continue;
      const distance = Math.abs(py - label.y) - label.height / 2;
      if (Math.abs(px - label.x) > label.width / 2 + 24 || distance >= nearest) continue;
      best = label;
      nearest = distance;
    }
    return best;
  };

  const handlers = {
    onPointerDown: (event: PointerEvent) => {
      hasDragged.current = false;
      const isTouch = event.pointerType !== "mouse";
      if (event.button === 0) pressAt(event, isTouch);
      stopHold.current();
      const box = canvas.current?.getBoundingClientRect();
      const hit = press.current?.hit;
      if (!isTouch || !event.isPrimary || !box || !hit || !startsNodeDrag()) return;
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      stopHold.current = afterHold(() => {
        isTouchDrag.current = hasDragged.current = true;
        setDrag({ id: hit.n.id, target: null, from: { x, y }, x, y });
      });
    },
    onPointerMove: (event: PointerEvent) => {
      // Reading the position of the canvas makes the browser calculate the styles that a pan has changed.
      if (event.buttons !== 0 && !drag.current && !press.current?.hit) return;
      const box = canvas.current?.getBoundingClientRect();
      if (!box) return;
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      if (drag.current) return setDrag({ ...drag.current, x, y, target: targetAt(drag.current, event) });
      const from = press.current;
      if (event.pointerType !== "mouse") {
        if (from && Math.hypot(event.clientX - from.x, event.clientY - from.y) > HOLD_SLACK_PX) stopHold.current();
        return;
      }
      if (event.buttons === 0) {
        const id = findHit(event, false)?.n.id ?? null;
        if (id !== hovered) onHover(id);
      } else if (
        event.buttons === 1 &&
        from?.hit &&
        startsNodeDrag() &&
        Math.hypot(event.clientX - from.x, event.clientY - from.y) > MAX_CLICK_PX
      ) {
        event.currentTarget.setPointerCapture(event.pointerId);
        hasDragged.current = true;
        // The card of the hovered node would stay where the drag began.
        onHover(null);
        const start = { x: from.x - box.left, y: from.y - box.top };
        setDrag({ id: from.hit.n.id, target: null, from: start, x, y });
      }
    },
    onPointerUp: () => {
      endTouch();
      if (drag.current) drop();
    },
    onPointerCancel: cancel,
    onContextMenu: (event: React.MouseEvent) => {
      // Browsers open it for a finger that rests.
      if (isTouchDrag.current) event.preventDefault();
    },
    onPointerLeave: () => onHover(null),
    onClick: (event: React.MouseEvent) => {
      // After a drag the browser reports a click on whatever is below the pointer.
      if (hasDragged.current) return;
      const hit = press.current?.hit ?? null;
      noteMapClick(event.clientX, event.clientY);
      if (hit?.isFold) toggle(hit.n.id);
      else onSelect(hit?.n.id ?? null);
    },
    onDoubleClick: () => {
      const hit = press.current?.hit ?? null;
      if (hit?.isFold || hasDragged.current) return;
      if (editing) {
        if (hit) editing.startRename(hit.n.id);
        else editing.addTopic();
      } else if (hit) toggle(hit.n.id);
    },
  };
  return { handlers, startsNodeDrag, freePlace, cancel };
}

/** Calls `then` when a finger has rested for so long; the result stops it. */
function afterHold(then: () => void): () => void {
  // A busy page gets the moves of a finger later than its timers, but not later than it draws twice.
  let frame = 0;
  const timer = setTimeout(() => {
    frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(then);
    });
  }, HOLD_MS);
  return () => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
  };
}
