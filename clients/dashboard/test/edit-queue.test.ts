import type { EditsReply, MindmapReply, OperationBody } from "@trailmind/api";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type MapModel, parseMap } from "~/map/model";
import { applyOperation, temporaryId } from "~/session/apply-operation";
import { EditQueue } from "~/session/edit-queue";
import {
  forgetStoredEdits,
  mapsWithAbandonedEdits,
  type StoredEdits,
  storeEdits,
  takeAbandonedEdits,
} from "~/session/stored-edits";
import { mapData } from "./support";

const after = (operation: OperationBody) => parseMap(applyOperation(mapData(3, 4), operation)) as MapModel;

describe("applyOperation", () => {
  it("keeps a place until it is reset or the node moves to another parent", () => {
    const place = { op: "place", node_id: "p0-0", layout: "tree", offset: { x: 5, y: -6 } } as const;
    const places = (...operations: OperationBody[]) =>
      (parseMap(operations.reduce(applyOperation, mapData(3, 4) as unknown)) as MapModel).byId.get("p0-0")?.data.places;
    const inRadial = { ...place, layout: "radial" } as const;
    expect(places(place)).toEqual({ tree: { x: 5, y: -6 } });
    expect(places(place, inRadial)).toEqual({ tree: { x: 5, y: -6 }, radial: { x: 5, y: -6 } });
    expect(places(place, inRadial, { op: "place", node_id: "p0-0", layout: "tree" })).toEqual({
      radial: { x: 5, y: -6 },
    });
    expect(places(place, inRadial, { op: "place", node_id: "p0-0" })).toEqual({});
    expect(places(place, { op: "move", node_id: "p0-0", parent_id: "t1" })).toEqual({});
  });
  it("moves a pinned topic with its pages", () => {
    const pinned = after({ op: "pin", node_id: "t1", position: { x: 10, y: 20, z: 30 } });
    expect(pinned.byId.get("t1")).toMatchObject({ position: { x: 10, y: 20, z: 30 }, data: { pinned: true } });
    expect(pinned.byId.get("p1-2")?.position).toEqual({ x: 1 - 90, y: 2 - 30, z: 20 });
  });
  it("renames, and leaves the rest", () => {
    const model = after({ op: "rename", node_id: "t1", label: " New " });
    expect(model.byId.get("t1")?.label).toBe("New");
    expect(model.nodes).toHaveLength(16);
  });
  it("moves a page, and a topic as a subtopic", () => {
    expect(after({ op: "move", node_id: "p0-1", parent_id: "t2" }).parent.get("p0-1")).toBe("t2");
    const model = after({ op: "move", node_id: "t0", parent_id: "t2" });
    expect(model.byId.get("t0")?.type).toBe("subtopic");
    expect(model.topicOf.get("p0-0")).toBe("t2");
    expect(model.topics.map((each) => each.id)).toEqual(["t1", "t2"]);
  });
  it("refuses what the server refuses", () => {
    const data = mapData(3, 4);
    for (const operation of [
      { op: "move", node_id: "p0-0", parent_id: "core" },
      { op: "move", node_id: "p0-0", parent_id: "p1-0" },
      { op: "merge", node_ids: ["t0", "p1-0"] },
      { op: "rename", node_id: "t0", label: "  " },
      { op: "rename", node_id: "gone", label: "x" },
    ] as OperationBody[])
      expect(applyOperation(data, operation)).toBe(data);
  });
  it("merges topics with their pages and links", () => {
    const model = after({ op: "merge", node_ids: ["t1", "t0"] });
    expect(model.byId.has("t0")).toBe(false);
    expect(model.children.get("t1")).toHaveLength(8);
    expect(model.cross).toHaveLength(0);
  });
  it("splits, adds, hides, deletes, links and names links", () => {
    const split = after({ op: "split", node_id: "t0", member_ids: ["p0-0", "p0-1"], label: "Part", op_id: "x" });
    expect(split.children.get(temporaryId("x"))).toEqual(["p0-0", "p0-1"]);
    const added = after({ op: "add_node", parent_id: "core", type: "topic", label: "Mine", op_id: "y" });
    expect(added.topics.map((each) => each.label)).toContain("Mine");
    expect(after({ op: "hide", node_id: "t0" }).nodes).toHaveLength(11);
    expect(after({ op: "delete", node_id: "t0" }).nodes).toHaveLength(11);
    expect(after({ op: "add_edge", source: "t1", target: "t2" }).cross).toHaveLength(2);
    expect(after({ op: "label_edge", source: "t1", target: "t0", label: "why" }).cross[0]?.label).toBe("why");
    expect(after({ op: "remove_edge", source: "t1", target: "t0" }).cross).toHaveLength(0);
  });
});

/** A server that answers when the test says so. */
function fakeServer() {
  let map = { version: 1, data: mapData(2, 2), edits: { seq: 0 } } as unknown as MindmapReply;
  let numReloads = 0;
  const answers: ((error?: unknown) => void)[] = [];
  const sent: { operation: OperationBody; expectedSeq: number | undefined }[] = [];
  const failures: (readonly OperationBody[])[] = [];
  const kept: StoredEdits[] = [];
  const told: string[] = [];
  const queue = new EditQueue({
    current: () => map,
    isTemporary: (error) => error instanceof Error && error.message === "offline",
    keep: (edits) => kept.push(edits),
    onWaiting: (num) => told.push(`${num} waiting`),
    onResumed: (num) => told.push(`${num} resumed`),
    send: (operation, expectedSeq) => {
      sent.push({ operation, expectedSeq });
      return new Promise<EditsReply>((resolve, reject) =>
        answers.push((error) => {
          if (error) return reject(error);
          const data = applyOperation(map.data, operation);
          const mindmap = { ...map, data, edits: { seq: (map.edits?.seq ?? 0) + 1 } } as MindmapReply;
          resolve({ mindmap, reports: [] });
        }),
      );
    },
    reload: () => {
      numReloads++;
    },
    onSaved: (reply) => {
      map = reply.mindmap;
    },
    onFailed: (_, lost) => failures.push(lost),
  });
  const label = () => (parseMap(queue.preview(map.data)) as MapModel).byId.get("t0")?.label;
  const answer = async (error?: unknown) => {
    answers.shift()?.(error);
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  const advance = (seq: number) => {
    map = { ...map, edits: { seq } } as MindmapReply;
  };
  return { queue, sent, failures, kept, told, label, answer, advance, numReloads: () => numReloads };
}

describe("EditQueue", () => {
  const rename = (label: string): OperationBody => ({ op: "rename", node_id: "t0", label, op_id: label });
  it("shows edits at once, and sends one at a time with the length of the log", async () => {
    const { queue, sent, label, answer } = fakeServer();
    queue.run(rename("A"));
    queue.run(rename("B"));
    expect(label()).toBe("B");
    expect(sent.map((each) => each.expectedSeq)).toEqual([0]);
    await answer();
    expect(label()).toBe("B");
    expect(sent.map((each) => each.expectedSeq)).toEqual([0, 1]);
    await answer();
    expect(queue.snapshot()).toEqual([]);
    expect(label()).toBe("B");
  });
  it("takes back a refused edit and those after it", async () => {
    const { queue, failures, label, answer } = fakeServer();
    queue.run(rename("A"));
    queue.run(rename("B"));
    await answer(new Error("409"));
    expect(label()).toBe("Topic 0");
    expect(failures).toEqual([[rename("A"), rename("B")]]);
  });
  it("shows undo and redo at once", async () => {
    const { queue, label, answer } = fakeServer();
    queue.run(rename("A"));
    await answer();
    queue.run(rename("B"));
    queue.run({ op: "undo" });
    expect(label()).toBe("A");
    queue.run({ op: "undo" });
    expect(label()).toBe("Topic 0");
    queue.run({ op: "redo" });
    expect(label()).toBe("A");
  });
  it("loads the map again for the edits of others, not for its own", async () => {
    const { queue, answer, numReloads } = fakeServer();
    queue.run(rename("A"));
    queue.latest = { version: 1, seq: 1 };
    queue.reloadIfOutdated();
    await answer();
    expect(numReloads()).toBe(0);
    queue.latest = { version: 1, seq: 2 };
    queue.reloadIfOutdated();
    expect(numReloads()).toBe(1);
    queue.latest = { version: 2, seq: 0 };
    queue.reloadIfOutdated();
    expect(numReloads()).toBe(2);
  });
  it("keeps showing an edit that does not reach the server, says so once, and sends it again", async () => {
    vi.useFakeTimers();
    const { queue, sent, told, failures, kept, label } = fakeServer();
    queue.server.send = ((send) => (operation, seq, version) => {
      if (sent.length >= 3) return send(operation, seq, version);
      sent.push({ operation, expectedSeq: seq });
      return Promise.reject(new Error("offline"));
    })(queue.server.send) as typeof queue.server.send;
    queue.run(rename("A"));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sent.length).toBeGreaterThan(3);
    expect(label()).toBe("A");
    expect(told).toEqual(["1 waiting"]);
    expect(failures).toEqual([]);
    expect(kept.at(-1)).toEqual({ operations: [rename("A")], seq: 0, version: 1 });
    vi.useRealTimers();
  });
  it("sends what an earlier page left behind, based on what that page showed", async () => {
    const { queue, sent, told, kept, label, answer, advance } = fakeServer();
    advance(4);
    queue.resume({ operations: [rename("A"), rename("B")], seq: 3, version: 1 });
    expect(label()).toBe("B");
    expect(sent.map((each) => each.expectedSeq)).toEqual([3]);
    await answer();
    await answer();
    expect(sent.map((each) => each.expectedSeq)).toEqual([3, 5]);
    expect(told).toEqual(["2 resumed"]);
    expect(kept.at(-1)?.operations).toEqual([]);
  });
  it("knows a node that was selected or edited before the server created it", async () => {
    const { queue, sent, answer } = fakeServer();
    queue.server.send = (
      (send) =>
      async (operation, ...base) => {
        const reply = await send(operation, ...base);
        const { op, op_id = "" } = operation;
        return { ...reply, reports: [{ op, op_id, status: "applied", sentence: "", node_id: `u_${op_id}` }] };
      }
    )(queue.server.send) as typeof queue.server.send;
    const id = temporaryId("x");
    queue.run({ op: "add_node", parent_id: "core", type: "topic", label: "Mine", op_id: "x" });
    queue.run({ op: "rename", node_id: id, label: "Ours", op_id: "y" });
    expect([queue.idOf(id), queue.idOf("t0")]).toEqual([id, "t0"]);
    await answer();
    expect(sent[1]?.operation).toMatchObject({ op: "rename", node_id: "u_x" });
    expect([queue.idOf(id), queue.idOf("t0")]).toEqual(["u_x", "t0"]);
    await answer();
    queue.run({ op: "merge", node_ids: ["t1", id], op_id: "z" });
    expect(sent[2]?.operation.node_ids).toEqual(["t1", "u_x"]);
  });
  it("does not repeat an undo that arrived before the page was closed", () => {
    const { queue, sent, advance } = fakeServer();
    advance(4);
    queue.resume({ operations: [{ op: "undo" }], seq: 3, version: 1 });
    expect(sent).toEqual([]);
    queue.resume({ operations: [{ op: "undo" }], seq: 4, version: 1 });
    expect(sent.map((each) => each.operation.op)).toEqual(["undo"]);
  });
});

describe("stored edits", () => {
  const edits: StoredEdits = {
    operations: [{ op: "rename", node_id: "t0", label: "A", op_id: "a" }],
    seq: 2,
    version: 1,
  };
  const session = { kind: "session", id: "s1" } as const;
  const leavePage = () => dispatchEvent(new Event("pagehide"));
  beforeEach(() => {
    dispatchEvent(new Event("pageshow"));
    forgetStoredEdits();
  });
  afterEach(forgetStoredEdits);
  it("belong to their page while it is open, and to the next page once it is left", () => {
    storeEdits(session, edits);
    expect(takeAbandonedEdits("s1")).toEqual([]);
    leavePage();
    expect(mapsWithAbandonedEdits()).toEqual([session]);
    expect(takeAbandonedEdits("s2")).toEqual([]);
    expect(takeAbandonedEdits("s1")).toEqual([edits]);
    expect(takeAbandonedEdits("s1")).toEqual([]);
  });
  it("of a page that crashed are taken over after a while; others' entries are not read as edits", () => {
    const entry = (savedAt: number) => JSON.stringify({ ...edits, savedAt });
    localStorage.setItem("trailmind.edits.s1.crashed", entry(Date.now() - 600_000));
    localStorage.setItem("trailmind.edits.s1.open", entry(Date.now() - 20_000));
    localStorage.setItem("trailmind.edits.s2.broken", "{");
    expect(mapsWithAbandonedEdits()).toEqual([session]);
    expect(takeAbandonedEdits("s1")).toEqual([edits]);
  });
  it("that an answer stores while the page is being left are for the next page, too", () => {
    storeEdits(session, edits);
    leavePage();
    storeEdits(session, edits);
    expect(takeAbandonedEdits("s1")).toEqual([edits]);
    // The browser shows the same page again.
    dispatchEvent(new Event("pageshow"));
    storeEdits(session, edits);
    expect(takeAbandonedEdits("s1")).toEqual([]);
  });
  it("of a map over several sessions are its own", () => {
    const map = { kind: "joint", id: "m1" } as const;
    storeEdits(map, edits);
    leavePage();
    expect(mapsWithAbandonedEdits()).toEqual([map]);
    expect(takeAbandonedEdits("m1")).toEqual([edits]);
  });
  it("are removed when all are saved", () => {
    storeEdits(session, edits);
    storeEdits(session, { ...edits, operations: [] });
    leavePage();
    expect(mapsWithAbandonedEdits()).toEqual([]);
  });
});

describe("every edit", () => {
  const edits: Record<string, OperationBody> = {
    rename: { op: "rename", node_id: "t0", label: "New", op_id: "1" },
    move: { op: "move", node_id: "p0-0", parent_id: "t1", op_id: "1" },
    merge: { op: "merge", node_ids: ["t1", "t0"], op_id: "1" },
    split: { op: "split", node_id: "t0", member_ids: ["p0-0"], label: "Part", op_id: "1" },
    hide: { op: "hide", node_id: "t0", op_id: "1" },
    pin: { op: "pin", node_id: "t0", pinned: true, op_id: "1" },
    delete: { op: "delete", node_id: "t0", op_id: "1" },
    add_node: { op: "add_node", parent_id: "core", type: "topic", label: "Mine", op_id: "1" },
    add_note: { op: "add_node", parent_id: "t0", type: "page", label: "A note", op_id: "1" },
    add_edge: { op: "add_edge", source: "p0-0", target: "p1-0", op_id: "1" },
    remove_edge: { op: "remove_edge", source: "t0", target: "t1", op_id: "1" },
    label_edge: { op: "label_edge", source: "t0", target: "t1", label: "why", op_id: "1" },
  };
  const shape = (document: unknown) => {
    const model = parseMap(document) as MapModel;
    return {
      nodes: model.nodes.map((node) => [node.id, node.label, model.parent.get(node.id), node.data.pinned]),
      cross: model.cross.map((edge) => [edge.source, edge.target, edge.label]),
    };
  };
  it.each(Object.entries(edits))(
    "shows %s before the server answers, and takes a refused one back",
    async (_, edit) => {
      const { queue, failures, answer } = fakeServer();
      const document = queue.server.current()?.data;
      const before = shape(document);
      queue.run(edit);
      // In the same task, so however slow the network is.
      expect(shape(queue.preview(document))).not.toEqual(before);
      await answer(new Error("409"));
      expect(shape(queue.preview(queue.server.current()?.data))).toEqual(before);
      expect(failures).toEqual([[edit]]);
    },
  );
});
