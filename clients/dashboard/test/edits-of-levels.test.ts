/** The server's cases of edits of three levels of topics: the browser shows the same tree before the server answers. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { OperationBody } from "@trailmind/api";
import { describe, expect, it } from "vitest";
import { type MapModel, parseMap } from "~/map/model";
import { applyOperation, temporaryId } from "~/session/apply-operation";
import { canMove } from "~/session/edits";

type Tree = Record<string, string[]>;
interface Case {
  name: string;
  operation: OperationBody;
  /** The children of every node afterwards; null when the edit is refused. */
  tree: Tree | null;
  types?: Record<string, string>;
}
const { tree, cases } = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../../tests/unit/mindmap/edits_of_levels.json"), "utf8"),
) as { tree: Tree; cases: Case[] };

const TYPES: Record<string, string> = { c: "core", t: "topic", s: "subtopic", p: "page" };
const node = (id: string) => ({ id, label: id, type: TYPES[id[0] ?? ""], size: 40, data: {} });
const before = {
  nodes: ["core", ...Object.values(tree).flat()].map(node),
  edges: Object.entries(tree).flatMap(([source, children]) =>
    children.map((target) => ({ source, target, kind: "contains" })),
  ),
};
const nameOf = (id: string) => (id === temporaryId("new") ? "new" : id);
/** The children of every node; those beside a new one in no order, as the server puts it beside its origin. */
const treeOf = (children: Iterable<readonly [string, readonly string[]]>) =>
  Object.fromEntries(
    [...children].map(([id, ids]) => {
      const names = ids.map(nameOf);
      return [nameOf(id), names.includes("new") ? names.sort() : names];
    }),
  );

describe("edits of three levels of topics", () => {
  for (const each of cases) {
    it(each.name, () => {
      const after = applyOperation(before, { ...each.operation, op_id: "new" });
      const model = parseMap(after) as MapModel;
      expect(treeOf(model.children)).toEqual(treeOf(Object.entries(each.tree ?? tree)));
      for (const { id, type } of model.nodes)
        expect(type, id).toBe(each.types?.[nameOf(id)] ?? TYPES[nameOf(id)[0] ?? ""]);
    });
  }
  it("offers the moves that the server applies", () => {
    const model = parseMap(before) as MapModel;
    for (const { operation, tree: after } of cases)
      if (operation.op === "move" && operation.node_id && operation.parent_id)
        expect(canMove(model, operation.node_id, operation.parent_id), operation.parent_id).toBe(after !== null);
  });
});
