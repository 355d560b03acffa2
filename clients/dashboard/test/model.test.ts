import { describe, expect, it } from "vitest";
import { ancestors, findNodes, type MapModel, neighbourhood, parseMap, step, subtree } from "~/map/model";
import { applyOperation } from "~/session/apply-operation";
import { mapData } from "./support";

const model = parseMap(mapData()) as MapModel;

describe("parseMap", () => {
  it("indexes the tree", () => {
    expect(model.topics.map((topic) => topic.id)).toEqual(["t0", "t1", "t2"]);
    expect(model.byPage.get("page-1-2")?.id).toBe("p1-2");
    expect(model.topicOf.get("p2-3")).toBe("t2");
    expect(model.hueOf("p2-3")).toBe(2);
    expect(model.hueOf("core")).toBeNull();
  });
  it("parses only what an edit has changed", () => {
    const data = mapData();
    const before = parseMap(data) as MapModel;
    const edited = applyOperation(data, { op: "rename", node_id: "t1", label: "Renamed" });
    const after = parseMap(edited) as MapModel;
    const changed = after.nodes.filter((node) => node !== before.byId.get(node.id));
    expect(changed.map((node) => node.label)).toEqual(["Renamed"]);
  });
  it("returns null for an invalid document", () => {
    for (const bad of [
      null,
      3,
      {},
      { nodes: [] },
      { nodes: [{ id: "a" }], edges: [] },
      { nodes: [{ id: "t", label: "t", type: "topic" }], edges: [] },
    ])
      expect(parseMap(bad)).toBeNull();
  });
  it("accepts cycles, dangling edges and unreachable nodes", () => {
    const data = mapData(2, 1);
    data.edges.push(
      { source: "p0-0", target: "t0", kind: "contains" },
      { source: "t0", target: "nowhere", kind: "contains" },
      { source: "t0", target: "t0", kind: "contains" },
    );
    data.nodes.push({ id: "alone", label: "alone", type: "page" });
    const parsed = parseMap(data) as MapModel;
    expect(parsed.nodes.map((node) => node.id).sort()).toEqual(["core", "p0-0", "p1-0", "t0", "t1"]);
  });
  it("omits hidden nodes and their descendants", () => {
    const data = mapData(2, 2);
    (data.nodes[1] as { data: Record<string, unknown> }).data.hidden = true;
    expect((parseMap(data) as MapModel).nodes.map((node) => node.id)).toEqual(["core", "t1", "p1-0", "p1-1"]);
  });
});

it("returns ancestors, subtrees and neighbourhoods", () => {
  expect(ancestors(model, "p0-1")).toEqual(["t0", "core"]);
  expect([...subtree(model, "t1")]).toEqual(["t1", "p1-0", "p1-1", "p1-2", "p1-3"]);
  expect(neighbourhood(model, "t0")).toContain("t1");
  expect(neighbourhood(model, "p0-1")).not.toContain("p0-2");
});

it("finds nodes by every word, in any case", () => {
  expect(findNodes(model, "TOPIC 1 page 2")).toEqual(["p1-2", "p2-1"]);
  expect(findNodes(model, "word2")).toEqual(["t2"]);
  expect(findNodes(model, "  ")).toEqual([]);
});

it("moves by arrow keys and always to an existing node", () => {
  const open = () => false;
  expect(step(model, "core", "right", open)).toBe("t0");
  expect(step(model, "t0", "up", open)).toBe("t2");
  expect(step(model, "p0-0", "left", open)).toBe("t0");
  expect(step(model, "t0", "right", () => true)).toBe("t0");
  expect(step(model, "core", "left", open)).toBe("core");
  for (const node of model.nodes)
    for (const direction of ["up", "down", "left", "right"] as const)
      expect(model.byId.has(step(model, node.id, direction, open))).toBe(true);
});
