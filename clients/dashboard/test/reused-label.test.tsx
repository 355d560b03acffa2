import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { beforeEach, expect, it, vi } from "vitest";
import { en } from "~/i18n/en";
import { type MapNode, parseMap } from "~/map/model";
import { applyOperation } from "~/session/apply-operation";
import type { Edits } from "~/session/edits";
import { ReusedLabel } from "~/session/ReusedLabel";
import { mountedRoot } from "./mounted-root";
import { mapData } from "./support";

vi.mock("@tanstack/react-router", async (original) => ({
  ...(await original<object>()),
  Link: ({ params, children }: { params: { id: string }; children: string }) => (
    <a href={`/sessions/${params.id}`}>{children}</a>
  ),
}));

const source = { session_id: "s-1", generated_label: "Sourdough" };
const node = { id: "t0", data: { reused_from: source } } as unknown as MapNode;
const rename = vi.fn();
const mounted = mountedRoot();

beforeEach(() => rename.mockClear());

function show(status: number, body: unknown, edits: Edits | null) {
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify(body), { status }));
  mounted.root.render(
    <QueryClientProvider client={new QueryClient()}>
      <ReusedLabel node={node} edits={edits} />
    </QueryClientProvider>,
  );
}

it("links the session that a label comes from, and offers the generated label", async () => {
  const session = { id: "s-1", title: "An evening", session_status: "completed" };
  show(200, { session }, { isAvailable: true, rename } as unknown as Edits);
  await vi.waitFor(() => expect(mounted.container.querySelector("a")?.getAttribute("href")).toBe("/sessions/s-1"));
  expect(mounted.container.textContent).toContain(`${en.evidence.reusedFrom} An evening`);
  expect(mounted.container.querySelector("button")?.textContent).toBe("Use the generated name instead: “Sourdough”");
  mounted.container.querySelector("button")?.click();
  expect(rename.mock.calls).toEqual([["t0", "Sourdough"]]);
});

it("names no session that is gone, and offers nothing where edits are not possible", async () => {
  show(404, { error: { message: "no", code: "NOT_FOUND" } }, null);
  await vi.waitFor(() => expect(mounted.container.textContent).toBe(en.evidence.reused));
  expect(mounted.container.querySelector("a, button")).toBeNull();
});

it("takes a label for one of this map as soon as it is renamed here", () => {
  const data = mapData(1, 1);
  Object.assign(data.nodes[1]?.data as object, { label_by: "user", reused_from: source });
  const nodeOf = (document: unknown) => parseMap(document)?.byId.get("t0")?.data;
  expect(nodeOf(data)?.reused_from).toEqual(source);
  const renamed = nodeOf(applyOperation(data, { op: "rename", op_id: "r", node_id: "t0", label: "Sourdough" }));
  expect([renamed?.label_by, renamed?.reused_from]).toEqual(["user", undefined]);
});
