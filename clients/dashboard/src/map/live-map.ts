/** The live map of a session that is being recorded: one complete message, then deltas. */
import { isRecord } from "@trailmind/api";

type Raw = Record<string, unknown>;

export interface LiveMap {
  nodes: ReadonlyMap<string, Raw>;
  edges: ReadonlyMap<string, Raw>;
}

const list = (value: unknown): Raw[] => (Array.isArray(value) ? value.filter(isRecord) : []);
const edgeKey = (edge: Raw) => `${String(edge.source)} ${String(edge.target)}`;

/** The map after a delta. Unchanged nodes keep their order, so that they keep their positions. */
export function applyDelta(before: LiveMap | null, delta: Raw): LiveMap {
  const isWhole = delta.whole === true || before === null;
  const nodes = new Map(isWhole ? [] : before.nodes);
  const edges = new Map(isWhole ? [] : before.edges);
  const removedIds = Array.isArray(delta.removed_node_ids) ? delta.removed_node_ids.map(String) : [];
  for (const id of removedIds) nodes.delete(id);
  for (const edge of list(delta.removed_edges)) edges.delete(edgeKey(edge));
  for (const node of list(delta.nodes)) nodes.set(String(node.id), node);
  for (const edge of list(delta.edges)) edges.set(edgeKey(edge), edge);
  return { nodes, edges };
}

/** The live map as a map document. */
export function toMapDocument(map: LiveMap): Raw {
  return { nodes: [...map.nodes.values()], edges: [...map.edges.values()] };
}
