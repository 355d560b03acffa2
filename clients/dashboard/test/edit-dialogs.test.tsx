import { expect, it, vi } from "vitest";
import { DragGhost } from "~/map/DragGhost";
import { type MapModel, type MapNode, parseMap } from "~/map/model";
import { EditActions } from "~/session/EditActions";
import type { Edits } from "~/session/edits";
import { mountedRoot } from "./mounted-root";
import { mapData } from "./support";

const model = parseMap(mapData(3, 3)) as MapModel;
const mounted = mountedRoot();

it.each([
  ["Rename", "Rename “Topic 0”"],
  ["Move to…", "Move “Page 0 of topic 0” to"],
  ["Merge into…", "Merge “Topic 0” into"],
])("says in the title of the dialog of %s what is edited", async (button, title) => {
  const node = model.byId.get(title.includes("Page") ? "p0-0" : "t0") as MapNode;
  mounted.root.render(<EditActions node={node} model={model} edits={{} as Edits} />);
  await vi.waitFor(() => expect(document.querySelector(`[aria-label="${button}"]`)).not.toBeNull());
  document.querySelector<HTMLElement>(`[aria-label="${button}"]`)?.click();
  await vi.waitFor(() => expect(document.querySelector("[role=dialog] h2")?.textContent).toBe(title), {
    timeout: 20_000,
  });
});

it.each([
  [true, /free place$/],
  [false, /on a topic$/],
])("offers a dragged page a free place only where there is one (%s)", async (hasPlaces, hint) => {
  const at = { x: 0, y: 0 };
  const drag = { id: "p0-0", target: null, from: at, ...at };
  mounted.root.render(<DragGhost drag={drag} model={model} hasPlaces={hasPlaces} />);
  await vi.waitFor(() => expect(mounted.container.textContent).toMatch(hint));
});
