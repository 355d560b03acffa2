import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { expect, it, vi } from "vitest";
import { type MapOwner, mindmapQuery } from "~/api/queries";
import { en } from "~/i18n/en";
import { Versions } from "~/session/Versions";
import { mountedRoot } from "./mounted-root";

const mounted = mountedRoot();
const owner: MapOwner = { kind: "session", id: "s" };
const { queryKey } = mindmapQuery(owner.id);

/** Versions 3, which is version 1 restored, 2 and 1. */
const list = [3, 2, 1].map((number) => ({
  number,
  provider: "local",
  input_digest: "x",
  edits_seq: 0,
  created_at: "2031-12-01T10:00:00Z",
  ...(number === 3 ? { restored_from: 1 } : {}),
}));

function show(answer: (request: Request) => Response | Promise<Response>): QueryClient {
  vi.stubGlobal("fetch", async (request: Request) =>
    request.url.endsWith("/versions") ? Response.json({ versions: list, total: 3 }) : answer(request),
  );
  const client = new QueryClient();
  mounted.root.render(
    <QueryClientProvider client={client}>
      <Versions owner={owner} version={3} model={null} language="en" />
    </QueryClientProvider>,
  );
  return client;
}

const buttons = (name: string) =>
  [...mounted.container.querySelectorAll("button")].filter((button) => button.textContent === name);

it("offers no restore that would change nothing, and says that edits stay", async () => {
  show(() => Response.error());
  await vi.waitFor(() => expect(mounted.container.textContent).toContain(en.versions.keepsEdits));
  expect(buttons(en.versions.compare)).toHaveLength(2);
  const restorable = buttons(en.versions.restore).map((button) => button.closest("li")?.textContent);
  expect(restorable).toEqual([expect.stringContaining("Version 2")]);
});

it("a restored version is on the map with the answer, also when an older answer is still on its way", async () => {
  let reply = (_: Response) => {};
  let older = (_: Response) => {};
  const client = show(
    (request) =>
      new Promise((resolve) => {
        if (request.method === "POST") reply = resolve;
        else older = resolve;
      }),
  );
  await vi.waitFor(() => expect(buttons(en.versions.restore)).toHaveLength(1));
  const reading = client.fetchQuery({ ...mindmapQuery(owner.id), retry: false }).catch(() => null);
  buttons(en.versions.restore)[0]?.click();
  await vi.waitFor(() => expect(buttons(en.versions.restoring)).toHaveLength(1));
  await vi.waitFor(() => reply(Response.json({ mindmap: { version: 4 }, reports: [] })));
  await vi.waitFor(() => expect(client.getQueryData(queryKey)).toEqual({ version: 4 }));
  older(Response.json({ mindmap: { version: 3 } }));
  await reading;
  expect(client.getQueryData(queryKey)).toEqual({ version: 4 });
});
