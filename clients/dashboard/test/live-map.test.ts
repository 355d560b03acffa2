import { expect, it } from "vitest";
import { applyDelta, toMapDocument } from "~/map/live-map";
import { parseMap } from "~/map/model";

const core = { id: "core", label: "All", type: "core" };
const page = (id: string, label = id) => ({ id, label, type: "page" });
const edge = (source: string, target: string) => ({ source, target, kind: "contains" });

it("applies deltas to the same map as one complete message", () => {
  let map = applyDelta(null, {
    whole: true,
    nodes: [core, page("a"), page("b")],
    edges: [edge("core", "a"), edge("core", "b")],
  });
  map = applyDelta(map, {
    whole: false,
    nodes: [page("c"), page("a", "A renamed")],
    removed_node_ids: ["b"],
    edges: [edge("core", "c")],
    removed_edges: [{ source: "core", target: "b" }],
  });
  const model = parseMap(toMapDocument(map));
  expect(model?.nodes.map((node) => node.label)).toEqual(["All", "A renamed", "c"]);
});

it("replaces the map by a complete message, as after a reconnect", () => {
  const map = applyDelta(applyDelta(null, { nodes: [core, page("old")], edges: [] }), {
    whole: true,
    nodes: [core, page("new")],
    edges: [],
  });
  expect([...map.nodes.keys()]).toEqual(["core", "new"]);
});
