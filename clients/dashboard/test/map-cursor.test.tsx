/** The element that marks the node of the arrow keys follows the map: in each frame only where its reader sees it. */
import { expect, it, vi } from "vitest";
import { FlatMap } from "~/map/FlatMap";
import type { MapHandle } from "~/map/map-props";
import { type MapModel, parseMap } from "~/map/model";
import { treeScene } from "~/map/scene";
import { mountedRoot, sizedElements } from "./mounted-root";
import { mapData } from "./support";

const model = parseMap(mapData(3, 3)) as MapModel;
const scene = treeScene(model, { collapsed: new Set(), focus: null });
const mounted = mountedRoot();
sizedElements();
const handle: { current: MapHandle | null } = { current: null };

async function shownMap() {
  mounted.root.render(
    <FlatMap
      ref={handle}
      model={model}
      scene={scene}
      mode="all"
      selected={null}
      hovered={null}
      matches={new Set()}
      collapsed={new Set()}
      onSelect={() => {}}
      onHover={() => {}}
      onToggle={() => {}}
      editing={null}
      coveredTop={0}
      sceneKey="tree"
      isGrowing={false}
      placeAt={null}
    />,
  );
  const canvas = await vi.waitUntil(() => mounted.container.querySelector<HTMLElement>(".map-canvas"));
  const marker = await vi.waitUntil(() => mounted.container.querySelector<HTMLElement>("#map-cursor"));
  await vi.waitUntil(() => marker.style.transform);
  return { canvas, marker };
}

function place({ style }: HTMLElement): [number, number] {
  const [x = Number.NaN, y = Number.NaN] = [...style.transform.matchAll(/(-?[\d.]+)px/g)].map(([, px]) => Number(px));
  return [x, y];
}

/** Presses the mouse on the map, drags it ten times by (12, 5), calls `check` after each, and releases it. */
function pan(canvas: HTMLElement, check: (dx: number, dy: number) => void) {
  const at = (x: number, y: number) => ({
    clientX: x,
    clientY: y,
    button: 0,
    bubbles: true,
    cancelable: true,
    view: window,
  });
  canvas.dispatchEvent(new MouseEvent("mousedown", at(400, 300)));
  for (let i = 1; i <= 10; i++) {
    window.dispatchEvent(new MouseEvent("mousemove", at(400 + 12 * i, 300 + 5 * i)));
    check(12 * i, 5 * i);
  }
  window.dispatchEvent(new MouseEvent("mouseup", at(520, 350)));
}

function turnWheel(canvas: HTMLElement) {
  const event = new WheelEvent("wheel", { deltaY: -100, bubbles: true, view: window });
  // The wheel of happy-dom has no place of its own.
  canvas.dispatchEvent(Object.assign(event, { clientX: 500, clientY: 350 }));
}

it("stays untouched while the mouse pans the map, and is in place afterwards", async () => {
  const { canvas, marker } = await shownMap();
  const [x, y] = place(marker);
  const written: MutationRecord[] = [];
  const observer = new MutationObserver((records) => written.push(...records));
  observer.observe(marker, { attributes: true });
  const before = marker.getAttribute("style");
  const core = handle.current?.rectOf(model.root.id);
  pan(canvas, (dx) => {
    // The map has moved.
    expect(handle.current?.rectOf(model.root.id)?.x).toBeCloseTo((core?.x ?? 0) + dx);
    expect([...written, ...observer.takeRecords()]).toEqual([]);
    expect(marker.getAttribute("style")).toBe(before);
  });
  expect(place(marker)).toEqual([expect.closeTo(x + 120), expect.closeTo(y + 50)]);
  observer.disconnect();
});

it("follows in every frame of panning and zooming while the keyboard's focus is on the map", async () => {
  const { canvas, marker } = await shownMap();
  canvas.focus();
  expect(canvas.matches(":focus-visible")).toBe(true);
  const [x, y] = place(marker);
  pan(canvas, (dx, dy) => expect(place(marker)).toEqual([expect.closeTo(x + dx), expect.closeTo(y + dy)]));

  const width = Number.parseFloat(marker.style.width);
  turnWheel(canvas);
  const zoomed = handle.current?.rectOf(model.root.id);
  expect(Number.parseFloat(marker.style.width)).toBeGreaterThan(width);
  expect(place(marker)).toEqual([expect.closeTo(zoomed?.x ?? 0), expect.closeTo(zoomed?.y ?? 0)]);
});

it("is in place after the wheel and after a button have zoomed the map", async () => {
  const { canvas, marker } = await shownMap();
  for (const zoom of [() => turnWheel(canvas), () => handle.current?.zoomBy(1.3)]) {
    const before = marker.style.transform;
    zoom();
    await vi.waitFor(
      () => {
        const rect = handle.current?.rectOf(model.root.id);
        expect(marker.style.transform).not.toBe(before);
        expect(place(marker)).toEqual([expect.closeTo(rect?.x ?? 0), expect.closeTo(rect?.y ?? 0)]);
        expect(Number.parseFloat(marker.style.width)).toBeCloseTo(rect?.width ?? 0);
      },
      { timeout: 20_000 },
    );
  }
});
