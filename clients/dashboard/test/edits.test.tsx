import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import type { JointMapReply, MindmapReply } from "@trailmind/api";
import { act } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type MapOwner, mindmapQuery } from "~/api/queries";
import { storeReply } from "~/api/refresh";
import { loadMessages } from "~/i18n";
import { en } from "~/i18n/en";
import { type MapModel, parseMap } from "~/map/model";
import { jointMapQuery } from "~/maps/queries";
import { type Edits, resumeEdits, useEdits } from "~/session/edits";
import { forgetStoredEdits, mapsWithAbandonedEdits } from "~/session/stored-edits";
import { useAbandonedEdits } from "~/session/useAbandonedEdits";
import { onToast, type Toast } from "~/ui/toast";
import { mapData } from "./support";

const map = { version: 1, data: mapData(3, 2), edits: { seq: 0, num_in_effect: 0 } } as unknown as MindmapReply;
const toasts: Toast[] = [];
let root: Root;
let edits: Edits;
let stopListening: () => void;
let answer: (response: Response) => void;
let numSessions = 0;

function Probe({ id, kind }: MapOwner) {
  edits = useEdits(id, kind);
  return null;
}

function NextPage() {
  useAbandonedEdits(10);
  return null;
}

const render = (client: QueryClient, owner: MapOwner) =>
  act(async () =>
    root.render(
      <QueryClientProvider client={client}>
        <Probe key={owner.id} {...owner} />
      </QueryClientProvider>,
    ),
  );

beforeEach(async () => {
  (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
  await loadMessages();
  vi.stubGlobal("fetch", () => new Promise<Response>((resolve) => (answer = resolve)));
  toasts.length = 0;
  stopListening = onToast((toast) => toasts.push(toast));
  // Queues outlive their page: each test has a session of its own.
  const id = `session-${++numSessions}`;
  const client = new QueryClient();
  client.setQueryData(mindmapQuery(id).queryKey, map);
  root = createRoot(document.createElement("div"));
  await render(client, { kind: "session", id });
});
afterEach(async () => {
  await act(async () => root.unmount());
  stopListening();
  forgetStoredEdits();
  vi.unstubAllGlobals();
});

const topics = () => (parseMap(edits.preview(map.data)) as MapModel).topics.map((topic) => topic.label);
const refuse = async (status: number, code: string) => {
  const body = JSON.stringify({ error: { message: "no", code } });
  await act(async () => answer(new Response(body, { status })));
  await vi.waitFor(() => expect(edits.isSaving).toBe(false));
};

it("an edit is on the map and said before the server answers; a refused one is taken back and said", async () => {
  await act(async () => edits.run({ op: "merge", node_ids: ["t1", "t0"] }));
  expect(topics()).toEqual(["Topic 1", "Topic 2"]);
  expect(toasts.at(-1)).toMatchObject({ text: en.edit.did.merge("Topic 0", "Topic 1"), subject: "edit" });
  await refuse(400, "BAD_REQUEST");
  expect(topics()).toEqual(["Topic 0", "Topic 1", "Topic 2"]);
  expect(toasts.at(-1)?.text).toContain(en.edit.failed);
});

it("an edit of a map that another tab changed is taken back, and can be made again", async () => {
  await act(async () => edits.run({ op: "delete", node_id: "t0" }));
  expect(topics()).toEqual(["Topic 1", "Topic 2"]);
  await refuse(409, "CONFLICT");
  expect(topics()).toEqual(["Topic 0", "Topic 1", "Topic 2"]);
  expect(toasts.at(-1)).toMatchObject({ text: en.edit.conflict, undo: { label: en.edit.applyAnyway } });
});

it("an undo is shown at once, and removes the message of the edit that it undoes", async () => {
  await act(async () => edits.rename("t0", "Renamed"));
  await act(async () => edits.undo());
  expect(topics()).toEqual(["Topic 0", "Topic 1", "Topic 2"]);
  expect(toasts.map((toast) => [toast.text, toast.subject])).toEqual([
    [en.edit.did.rename("Renamed"), "edit"],
    ["", "edit"],
  ]);
});

it("an undo that is sent again can be recognized by the server", async () => {
  const sent: unknown[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    sent.push((await request.json()).operations[0]);
    return new Promise<Response>((resolve) => (answer = resolve));
  });
  await act(async () => edits.undo());
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  await act(async () => answer(new Response("{}", { status: 503 })));
  await vi.waitFor(() => expect(edits.numWaiting).toBe(1));
  await act(async () => void dispatchEvent(new Event("online")));
  await vi.waitFor(() => expect(sent).toHaveLength(2));
  expect(sent[0]).toMatchObject({ op: "undo", op_id: expect.any(String) });
  expect(sent[1]).toEqual(sent[0]);
});

it("the answer to an edit does not replace a version that was restored meanwhile", async () => {
  const id = `session-${++numSessions}`;
  const client = new QueryClient();
  const { queryKey } = mindmapQuery(id);
  client.setQueryData(queryKey, map);
  await render(client, { kind: "session", id });
  await act(async () => edits.rename("t0", "Renamed"));
  storeReply(client, queryKey, { ...map, version: 2 });
  await act(async () => answer(Response.json({ mindmap: { ...map, edits: { seq: 1 } }, reports: [] })));
  await vi.waitFor(() => expect(edits.isSaving).toBe(false));
  expect(client.getQueryData(queryKey)).toMatchObject({ version: 2, edits: { seq: 0 } });
});

it("an edit of a combined map that does not reach the server outlives its page, as the page says", async () => {
  const owner: MapOwner = { kind: "joint", id: "map-1" };
  const client = new QueryClient();
  client.setQueryData(jointMapQuery(owner.id).queryKey, { ...map, id: owner.id } as unknown as JointMapReply);
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  await render(client, owner);
  await act(async () => edits.rename("t0", "Kept"));
  await vi.waitFor(() => expect(edits.numWaiting).toBe(1));
  await act(async () => root.render(null));
  window.dispatchEvent(new Event("pagehide"));
  expect(mapsWithAbandonedEdits()).toEqual([owner]);

  const sent: string[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    sent.push(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`);
    const saved = { ...map, id: owner.id, edits: { seq: 1, num_in_effect: 1 } };
    return new Response(JSON.stringify({ map: saved, reports: [] }), { status: 200 });
  });
  await resumeEdits(owner, client, en);
  await vi.waitFor(() => expect(toasts.at(-1)?.text).toBe(en.edit.resumed(1)));
  expect(sent[0]).toMatch(/^PATCH \/v1\/maps\/map-1 .*"Kept"/);
});

it("an edit of an earlier page is sent when the server answers, not only when it does at once", async () => {
  const id = `session-${++numSessions}`;
  const entry = { operations: [{ op: "rename", node_id: "t0", label: "Kept", op_id: "1" }], seq: 0, version: 1 };
  localStorage.setItem(`trailmind.edits.${id}.gone`, JSON.stringify({ ...entry, savedAt: 1, isLeft: true }));
  const asked: string[] = [];
  const busy = Response.json({ error: { message: "busy", code: "SERVICE_UNAVAILABLE" } }, { status: 503 });
  vi.stubGlobal("fetch", async (request: Request) => {
    asked.push(request.method);
    return asked.length === 1 ? busy : Response.json({ mindmap: { ...map, edits: { seq: 1 } }, reports: [] });
  });
  await act(async () =>
    root.render(
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <NextPage />
      </QueryClientProvider>,
    ),
  );
  await vi.waitFor(() => expect(asked).toEqual(["GET", "GET", "PATCH"]));
  await vi.waitFor(() => expect(toasts.at(-1)?.text).toBe(en.edit.resumed(1)));
});
