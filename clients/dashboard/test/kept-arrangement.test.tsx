/** How the branches of the tree are arranged is decided once for each map, not each time its layout is chosen. */
import { expect, it, vi } from "vitest";
import { bestArrangement } from "~/map/arrangement";
import { MapView } from "~/map/MapView";
import { type MapModel, parseMap } from "~/map/model";
import type { LayoutName } from "~/session/search-params";
import { mountedRoot, sizedElements } from "./mounted-root";
import { mapData } from "./support";

vi.mock("~/map/arrangement", async (original) => {
  const actual = await original<typeof import("~/map/arrangement")>();
  return { ...actual, bestArrangement: vi.fn(actual.bestArrangement) };
});

const model = parseMap(mapData(6, 8)) as MapModel;
const mounted = mountedRoot();
sizedElements();

async function show(layout: LayoutName, version = 1) {
  mounted.root.render(
    <MapView
      model={model}
      version={version}
      layout={layout}
      onLayout={() => {}}
      selected={null}
      onSelect={() => {}}
      topic={null}
      onTopic={() => {}}
    />,
  );
  const pressed = ["tree", "radial"].indexOf(layout);
  await vi.waitUntil(
    () => mounted.container.querySelectorAll(".segmented button")[pressed]?.getAttribute("aria-pressed") === "true",
  );
}

it("is kept while another layout is shown, and decided anew for another version", async () => {
  await show("tree");
  await vi.waitFor(() => expect(bestArrangement).toHaveBeenCalledTimes(1));
  await show("radial");
  await show("tree");
  expect(bestArrangement).toHaveBeenCalledTimes(1);
  await show("tree", 2);
  await vi.waitFor(() => expect(bestArrangement).toHaveBeenCalledTimes(2));
});
