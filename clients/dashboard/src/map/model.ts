/** The map document, parsed once at the boundary, indexed, immutable. */
import * as v from "valibot";

const list = <T extends v.GenericSchema>(item: T) => v.optional(v.array(item), []);
const number = v.optional(v.number(), 0);
const text = v.optional(v.string(), "");

const evidence = v.object({
  page_id: v.string(),
  field: text,
  quote: v.string(),
  supports: text,
  visited_at_ms: list(v.number()),
});
const nodeSchema = v.object({
  id: v.string(),
  label: v.string(),
  type: v.picklist(["core", "topic", "subtopic", "page"]),
  size: v.optional(v.number(), 10),
  position: v.optional(v.object({ x: number, y: number, z: number }), { x: 0, y: 0, z: 0 }),
  data: v.optional(
    v.object({
      description: v.optional(v.string()),
      keywords: list(v.string()),
      urls: list(v.string()),
      visitCount: number,
      totalDuration: number,
      page_id: v.optional(v.string()),
      title: v.optional(v.string()),
      host: v.optional(v.string()),
      hue: v.optional(v.number()),
      importance: v.optional(
        v.object({
          score: number,
          dwell: number,
          highlights: number,
          scroll: number,
          revisits: number,
          centrality: number,
        }),
        {},
      ),
      evidence: list(evidence),
      highlights: list(v.string()),
      searches: list(v.string()),
      first_visited_at_ms: v.optional(v.number()),
      last_visited_at_ms: v.optional(v.number()),
      label_by: text,
      reused_from: v.optional(v.object({ session_id: v.string(), generated_label: v.string() })),
      pinned: v.optional(v.boolean(), false),
      hidden: v.optional(v.boolean(), false),
      places: v.optional(v.record(v.string(), v.object({ x: v.number(), y: v.number() }))),
    }),
    {},
  ),
});
const edgeSchema = v.object({
  source: v.string(),
  target: v.string(),
  weight: v.optional(v.number(), 1),
  kind: v.optional(v.picklist(["contains", "cross"]), "contains"),
  label: v.optional(v.string()),
  terms: list(v.string()),
});
const layoutsSchema = v.record(v.string(), v.record(v.string(), v.object({ x: v.number(), y: v.number() })));
/** The large parts are parsed by themselves (`parsePart`). */
const documentSchema = v.object({
  title: text,
  summary: text,
  provider: text,
  nodes: v.array(v.unknown()),
  edges: v.array(v.unknown()),
  layouts: v.optional(v.unknown(), {}),
  left_out: list(
    v.object({
      page_id: v.string(),
      url: text,
      title: text,
      reason: v.string(),
      sentence: text,
      totalDuration: number,
    }),
  ),
  coverage: v.optional(
    v.object({ captured: number, on_map: number, left_out: number, ratio: number, attention: number }),
  ),
  scorecard: v.optional(v.record(v.string(), v.nullish(v.number())), {}),
  notes: list(v.string()),
  note_details: list(v.object({ code: v.string(), values: v.optional(v.record(v.string(), v.string()), {}) })),
});

/** Levels of topics below the core: topics, subtopics, and the subtopics of subtopics. */
export const MAX_TOPIC_LEVELS = 3;

export type MapNode = v.InferOutput<typeof nodeSchema>;
type MapEdge = v.InferOutput<typeof edgeSchema>;
interface MapDocument extends Omit<v.InferOutput<typeof documentSchema>, "nodes" | "edges" | "layouts"> {
  nodes: MapNode[];
  edges: MapEdge[];
  layouts: v.InferOutput<typeof layoutsSchema>;
}

/**
 * What parts of documents were parsed to. Documents are never changed in place, and an edited one shares most parts with
 * the one before it: without this every edit of a large map would wait for all of them.
 */
const parsedParts = new WeakMap<object, unknown>();

function parsePart<S extends v.GenericSchema>(schema: S, part: unknown): v.InferOutput<S> | null {
  const known = typeof part === "object" && part !== null ? parsedParts.get(part) : undefined;
  if (known !== undefined) return known as v.InferOutput<S>;
  const parsed = v.safeParse(schema, part);
  if (!parsed.success) return null;
  parsedParts.set(part as object, parsed.output);
  return parsed.output;
}

function parseDocument(data: unknown): MapDocument | null {
  const parsed = v.safeParse(documentSchema, data);
  if (!parsed.success) return null;
  const nodes = parsed.output.nodes.flatMap((node) => parsePart(nodeSchema, node) ?? []);
  const edges = parsed.output.edges.flatMap((edge) => parsePart(edgeSchema, edge) ?? []);
  const layouts = parsePart(layoutsSchema, parsed.output.layouts);
  const isComplete = nodes.length === parsed.output.nodes.length && edges.length === parsed.output.edges.length;
  return isComplete && layouts ? { ...parsed.output, nodes, edges, layouts } : null;
}

export interface MapModel {
  document: MapDocument;
  root: MapNode;
  nodes: readonly MapNode[];
  byId: ReadonlyMap<string, MapNode>;
  byPage: ReadonlyMap<string, MapNode>;
  parent: ReadonlyMap<string, string>;
  children: ReadonlyMap<string, readonly string[]>;
  cross: readonly MapEdge[];
  topics: readonly MapNode[];
  /** The nodes that the user has hidden; of a hidden topic only the topic itself. */
  hidden: readonly MapNode[];
  /** The id of each node's topic; the core has none. */
  topicOf: ReadonlyMap<string, string>;
  depth: ReadonlyMap<string, number>;
  /** 0 to 7; the core has none. A topic keeps its hue on timeline, map, list and export. */
  hueOf: (id: string | undefined | null) => number | null;
}

/**
 * The model of a document; null for an unknown shape or without a core. Hidden nodes and their descendants are omitted.
 */
export function parseMap(data: unknown): MapModel | null {
  const document = parseDocument(data);
  if (!document) return null;
  const root = document.nodes.find((node) => node.type === "core");
  if (!root) return null;
  const all = new Map(document.nodes.map((node) => [node.id, node]));
  const linked = new Map<string, string[]>();
  for (const edge of document.edges) {
    if (edge.kind !== "contains" || !all.has(edge.source) || !all.has(edge.target)) continue;
    append(linked, edge.source, edge.target);
  }
  const byId = new Map<string, MapNode>([[root.id, root]]);
  const parent = new Map<string, string>();
  const children = new Map<string, string[]>();
  const topicOf = new Map<string, string>();
  const depth = new Map<string, number>([[root.id, 0]]);
  // Breadth-first from the core: unreachable nodes are omitted, and each node is visited once, also in a cycle.
  const queue = [root.id];
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    for (const child of linked.get(id) ?? []) {
      const node = all.get(child);
      if (!node || byId.has(child) || node.data.hidden) continue;
      byId.set(child, node);
      parent.set(child, id);
      append(children, id, child);
      depth.set(child, (depth.get(id) ?? 0) + 1);
      topicOf.set(child, id === root.id ? child : (topicOf.get(id) ?? child));
      queue.push(child);
    }
  }
  const nodes = [...byId.values()];
  const topics = (children.get(root.id) ?? []).flatMap((id) => byId.get(id) ?? []);
  const order = new Map(topics.map((topic, i) => [topic.id, i]));
  const hueOf = (id: string | undefined | null): number | null => {
    const topic = id ? topicOf.get(id) : undefined;
    if (topic === undefined) return null;
    return (((byId.get(topic)?.data.hue ?? order.get(topic) ?? 0) % 8) + 8) % 8;
  };
  return {
    document,
    root,
    nodes,
    byId,
    byPage: new Map(
      nodes.flatMap((node) => (node.type === "page" && node.data.page_id ? [[node.data.page_id, node] as const] : [])),
    ),
    parent,
    children,
    cross: document.edges.filter((edge) => edge.kind === "cross" && byId.has(edge.source) && byId.has(edge.target)),
    topics,
    hidden: document.nodes.filter(
      (node) =>
        node.data.hidden &&
        !document.edges.some(
          (edge) => edge.kind === "contains" && edge.target === node.id && all.get(edge.source)?.data.hidden,
        ),
    ),
    topicOf,
    depth,
    hueOf,
  };
}

function append(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** A node's ancestors, nearest first. */
export function ancestors(model: MapModel, id: string): string[] {
  const path: string[] = [];
  for (let at = model.parent.get(id); at !== undefined; at = model.parent.get(at)) path.push(at);
  return path;
}

/** A node and everything under it. */
export function subtree(model: MapModel, id: string): Set<string> {
  const ids = new Set([id]);
  for (const at of ids) for (const child of model.children.get(at) ?? []) ids.add(child);
  return ids;
}

/** The nodes that stay bright when `id` is selected: itself, those above and below it, and its cross-links. */
export function neighbourhood(model: MapModel, id: string): Set<string> {
  const ids = new Set([id, ...ancestors(model, id), ...(model.children.get(id) ?? [])]);
  if (id !== model.root.id) for (const each of subtree(model, id)) ids.add(each);
  for (const edge of model.cross) {
    if (edge.source === id) ids.add(edge.target);
    if (edge.target === id) ids.add(edge.source);
  }
  return ids;
}

/** Ids of the nodes whose label, title, site or keywords contain every word of `query`, in the order of the map. */
export function findNodes(model: MapModel, query: string): string[] {
  const words = query.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  return model.nodes
    .filter((node) => {
      const hay = [node.label, node.data.title, node.data.host, ...node.data.keywords]
        .join(" ")
        .normalize("NFC")
        .toLowerCase();
      return words.every((word) => hay.includes(word));
    })
    .map((node) => node.id);
}

export type Direction = "up" | "down" | "left" | "right";

/** The node that an arrow key leads to: up and down among siblings, right to the first child, left to the parent. */
export function step(model: MapModel, id: string, direction: Direction, isCollapsed: (id: string) => boolean): string {
  const parent = model.parent.get(id);
  if (direction === "left") return parent ?? id;
  if (direction === "right") return isCollapsed(id) ? id : (model.children.get(id)?.[0] ?? id);
  const siblings = parent === undefined ? [id] : (model.children.get(parent) ?? []);
  const at = siblings.indexOf(id) + (direction === "down" ? 1 : -1);
  return siblings[(at + siblings.length) % siblings.length] ?? id;
}
