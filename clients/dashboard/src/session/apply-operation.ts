/**
 * An edit applied to a map document in the browser, so that it is visible before the server answers. The server's
 * document replaces the result; what both have to agree on is the tree of nodes and their labels.
 */
import { isRecord, type OperationBody } from "@trailmind/api";
import { MAX_TOPIC_LEVELS } from "~/map/model";

type Raw = Record<string, unknown>;

const CORE_ID = "core";
const SIZES: Readonly<Record<string, number>> = { topic: 40, subtopic: 30, page: 20 };

const list = (value: unknown): Raw[] => (Array.isArray(value) ? value.filter(isRecord) : []);
const isContains = (edge: Raw) => (edge.kind ?? "contains") === "contains";

function positionOf(node: Raw | undefined): { x: number; y: number; z: number } {
  const at = isRecord(node?.position) ? node.position : {};
  return { x: Number(at.x ?? 0), y: Number(at.y ?? 0), z: Number(at.z ?? 0) };
}

/** The id of a node that the server has not created yet. */
export function temporaryId(opId: string): string {
  return `new-${opId}`;
}

/** The operation with each id that is a key of `current` replaced by its value. */
export function withIds(operation: OperationBody, current: ReadonlyMap<string, string>): OperationBody {
  const changed = { ...operation };
  for (const key of ["node_id", "parent_id", "source", "target"] as const) {
    const id = current.get(operation[key] ?? "");
    if (id) changed[key] = id;
  }
  for (const key of ["node_ids", "member_ids"] as const)
    if (operation[key]) changed[key] = operation[key].map((id) => current.get(id) ?? id);
  return changed;
}

/** The document after an operation; the same document when the operation does not fit it. */
export function applyOperation(document: unknown, operation: OperationBody): unknown {
  if (!isRecord(document)) return document;
  const map = new EditableDocument(document);
  return map.apply(operation) ? map.toDocument() : document;
}

class EditableDocument {
  private nodes: Map<string, Raw>;
  private edges: Raw[];

  constructor(private readonly document: Raw) {
    this.nodes = new Map(list(document.nodes).map((node) => [String(node.id), node]));
    this.edges = list(document.edges);
  }

  toDocument(): Raw {
    return { ...this.document, nodes: [...this.nodes.values()], edges: this.edges };
  }

  apply(operation: OperationBody): boolean {
    const { op, node_id: id, label } = operation;
    switch (op) {
      case "rename":
        return this.hasNode(id) && this.setLabel(id, label ?? "");
      case "move":
        return this.hasNode(id) && this.hasNode(operation.parent_id) && this.move(id, operation.parent_id);
      case "merge":
        return this.merge(operation.node_ids ?? [], label);
      case "split":
        return this.hasNode(id) && this.split(id, operation.member_ids ?? [], label ?? "", operation.op_id ?? "");
      case "hide":
        return this.hasNode(id) && this.setData([id, ...this.below(id)], { hidden: operation.hidden ?? true });
      case "pin":
        return this.hasNode(id) && this.pin(id, operation.pinned ?? true, operation.position);
      case "place":
        return this.hasNode(id) && this.place(id, operation.layout, operation.offset);
      case "delete":
        return this.hasNode(id) && this.remove([id, ...this.below(id)]);
      case "add_node": {
        const type = operation.type ?? "page";
        return this.add(operation.op_id ?? "", type, label ?? "", operation.parent_id ?? CORE_ID);
      }
      case "add_edge":
        return this.connect(operation.source, operation.target, label);
      case "remove_edge":
        return this.disconnect(operation.source, operation.target);
      case "label_edge":
        return this.labelEdge(operation.source, operation.target, label ?? "");
      default:
        return false;
    }
  }

  private hasNode(id: string | null | undefined): id is string {
    return typeof id === "string" && this.nodes.has(id);
  }

  private update(id: string, changes: Raw): void {
    const node = this.nodes.get(id);
    if (node) this.nodes.set(id, { ...node, ...changes });
  }

  private setData(ids: readonly string[], changes: Raw): boolean {
    for (const id of ids) {
      const data = this.nodes.get(id)?.data;
      this.update(id, { data: { ...(isRecord(data) ? data : {}), ...changes } });
    }
    return true;
  }

  private setLabel(id: string, label: string): boolean {
    if (!label.trim()) return false;
    this.update(id, { label: label.trim() });
    return this.setData([id], { label_by: "user", reused_from: undefined });
  }

  private pin(id: string, pinned: boolean, position: OperationBody["position"]): boolean {
    if (pinned && position) {
      const before = positionOf(this.nodes.get(id));
      const after = { x: position.x, y: position.y, z: position.z ?? 0 };
      this.update(id, { position: after });
      for (const each of this.below(id)) {
        const node = this.nodes.get(each);
        if (isRecord(node?.data) && node.data.pinned) continue;
        const at = positionOf(node);
        const moved = { x: at.x + after.x - before.x, y: at.y + after.y - before.y, z: at.z + after.z - before.z };
        this.update(each, { position: moved });
      }
    }
    return this.setData([id], { pinned });
  }

  private place(id: string, layout: OperationBody["layout"], offset: OperationBody["offset"]): boolean {
    const data = this.nodes.get(id)?.data;
    const places = isRecord(data) && isRecord(data.places) ? { ...data.places } : {};
    if (layout && offset) places[layout] = offset;
    else if (layout) delete places[layout];
    return this.setData([id], { places: layout ? places : {} });
  }

  private typeOf(id: string): unknown {
    return this.nodes.get(id)?.type;
  }

  private childrenOf(id: string): string[] {
    return this.edges.filter((edge) => isContains(edge) && edge.source === id).map((edge) => String(edge.target));
  }

  private parentOf(id: string): string | undefined {
    const parent = this.edges.find((edge) => isContains(edge) && edge.target === id)?.source;
    return typeof parent === "string" ? parent : undefined;
  }

  /** How many nodes are above a node. */
  private level(id: string): number {
    let level = 0;
    for (let at = this.parentOf(id); at !== undefined && level < this.nodes.size; at = this.parentOf(at)) level++;
    return level;
  }

  /** The ids of all nodes below a node, in the order of the map. */
  private below(id: string): string[] {
    const found = new Set<string>();
    const collect = (at: string) => {
      for (const child of this.childrenOf(at)) {
        if (found.has(child) || child === id) continue;
        found.add(child);
        collect(child);
      }
    };
    collect(id);
    return [...found];
  }

  /** Moves a node below another, as the last child. */
  private reattach(id: string, parent: string): void {
    const moved = this.edges.filter((edge) => isContains(edge) && edge.target === id);
    const isBetween = (edge: Raw) =>
      !isContains(edge) &&
      ((edge.source === id && edge.target === parent) || (edge.source === parent && edge.target === id));
    this.edges = this.edges.filter((edge) => !moved.includes(edge) && !isBetween(edge));
    this.edges.push({ weight: 0.5, kind: "contains", ...moved[0], source: parent, target: id });
    // A place beside one parent means nothing beside another.
    this.setData([id], { places: {} });
  }

  private move(id: string, parent: string): boolean {
    if (id === parent || this.below(id).includes(parent)) return false;
    const [type, parentType] = [this.typeOf(id), this.typeOf(parent)];
    if (type === "subtopic" && parentType === "core") this.update(id, { type: "topic" });
    else if (type === "topic" && parentType === "topic") {
      this.flatten(id, 0);
      this.update(id, { type: "subtopic" });
    } else if (!this.canHold(parent, String(type))) return false;
    this.reattach(id, parent);
    this.flatten(id, MAX_TOPIC_LEVELS);
    return true;
  }

  private canHold(parent: string, type: string): boolean {
    const isAllowed = ALLOWED_PARENTS[type]?.includes(String(this.typeOf(parent))) ?? false;
    return isAllowed && (type !== "subtopic" || this.level(parent) < MAX_TOPIC_LEVELS);
  }

  /** Merges the subtopics below a node that are deeper than `maxLevel` into what they are part of. */
  private flatten(id: string, maxLevel: number): void {
    const isDeep = (each: string) => this.typeOf(each) === "subtopic" && this.level(each) > maxLevel;
    for (const each of this.below(id).filter(isDeep)) this.absorb(this.parentOf(each) ?? id, each);
  }

  /** Moves everything below `source` below `target`, and removes `source`. A part takes the place of its whole. */
  private absorb(target: string, source: string): void {
    const above = this.parentOf(source);
    if (above !== undefined && this.below(source).includes(target)) this.reattach(target, above);
    for (const child of this.childrenOf(source)) this.reattach(child, target);
    this.edges = this.edges
      .map((edge) =>
        isContains(edge)
          ? edge
          : {
              ...edge,
              source: edge.source === source ? target : edge.source,
              target: edge.target === source ? target : edge.target,
            },
      )
      .filter((edge) => edge.source !== edge.target);
    this.remove([source]);
  }

  private merge([target, ...sources]: readonly string[], label: string | null | undefined): boolean {
    if (!this.hasNode(target)) return false;
    const others = sources.filter((id) => id !== target && this.hasNode(id));
    if (others.length === 0 || others.some((id) => this.typeOf(id) !== this.typeOf(target))) return false;
    for (const source of others) this.absorb(target, source);
    this.flatten(target, MAX_TOPIC_LEVELS);
    if (label) this.setLabel(target, label);
    return true;
  }

  private split(id: string, members: readonly string[], label: string, opId: string): boolean {
    const below = this.below(id);
    const named = members.filter((each) => below.includes(each));
    const moved = named.filter((each) => !named.some((other) => this.below(other).includes(each)));
    const parent = this.parentOf(id);
    if (moved.length === 0 || parent === undefined) return false;
    this.add(opId, String(this.typeOf(id)), label, parent);
    for (const member of moved) this.reattach(member, temporaryId(opId));
    return true;
  }

  private add(opId: string, type: string, label: string, parent: string): boolean {
    if (!this.hasNode(parent) || !label.trim() || (type === "subtopic" && !this.canHold(parent, type))) return false;
    const id = temporaryId(opId);
    const beside = this.nodes.get(parent);
    const topics = [...this.nodes.values()].filter((node) => node.type === "topic").length;
    const hue = type === "topic" ? { hue: topics } : {};
    this.nodes.set(id, {
      id,
      label: label.trim(),
      type,
      size: SIZES[type] ?? 20,
      position: beside?.position,
      data: { label_by: "user", origin: "user", ...hue },
    });
    this.edges = [...this.edges, { source: parent, target: id, weight: 0.5, kind: "contains" }];
    return true;
  }

  private remove(ids: readonly string[]): boolean {
    const gone = new Set(ids);
    for (const id of ids) this.nodes.delete(id);
    this.edges = this.edges.filter((edge) => !gone.has(String(edge.source)) && !gone.has(String(edge.target)));
    return true;
  }

  private crossEdge(source: unknown, target: unknown): Raw | undefined {
    return this.edges.find(
      (edge) =>
        !isContains(edge) &&
        ((edge.source === source && edge.target === target) || (edge.source === target && edge.target === source)),
    );
  }

  private connect(
    source: string | null | undefined,
    target: string | null | undefined,
    label?: string | null,
  ): boolean {
    if (!this.hasNode(source) || !this.hasNode(target) || this.crossEdge(source, target)) return false;
    this.edges = [...this.edges, { source, target, weight: 0.5, kind: "cross", ...(label ? { label } : {}) }];
    return true;
  }

  private disconnect(source: unknown, target: unknown): boolean {
    const edge = this.crossEdge(source, target);
    this.edges = this.edges.filter((each) => each !== edge);
    return edge !== undefined;
  }

  private labelEdge(source: unknown, target: unknown, label: string): boolean {
    const edge = this.crossEdge(source, target);
    this.edges = this.edges.map((each) => (each === edge ? { ...each, label } : each));
    return edge !== undefined;
  }
}

/** The types of node that a node of each type may be moved below. */
const ALLOWED_PARENTS: Readonly<Record<string, readonly string[]>> = {
  topic: ["core"],
  subtopic: ["topic", "subtopic"],
  page: ["topic", "subtopic"],
};
