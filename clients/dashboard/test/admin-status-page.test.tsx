import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import type { PartStatus, StatusReply } from "@trailmind/api";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Status } from "~/admin/Status";
import { loadMessages } from "~/i18n";

const PATIENCE = { timeout: 20_000 };
let root: Root;
let client: QueryClient;
let answer: (path: string) => Response | Promise<Response>;

const reply = (...parts: PartStatus[]): StatusReply => ({
  state: parts.some((part) => part.state === "down") ? "down" : "ok",
  at: "2026-11-28T10:00:00Z",
  versions: { trailmind: "1.2.3" },
  parts,
  queues: [],
  providers: [],
});

async function show(): Promise<void> {
  client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const router = createRouter({
    routeTree: createRootRoute({ component: Status }),
    history: createMemoryHistory({ initialEntries: ["/"] }),
  });
  root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router as never} />
    </QueryClientProvider>,
  );
  await vi.waitFor(() => expect(document.body.textContent).toContain("1.2.3"), PATIENCE);
}

beforeEach(async () => {
  vi.stubGlobal("fetch", async (request: Request) => answer(new URL(request.url, "http://x.example").pathname));
  await loadMessages();
});

afterEach(() => {
  root.unmount();
  document.documentElement.lang = "en";
  document.body.innerHTML = "";
  vi.unstubAllGlobals();
});

it("shows each part that is down with what it says and what helps", async () => {
  const worker: PartStatus = {
    name: "workers",
    state: "down",
    message: "0 running, none takes a map",
    remedy: "start a worker",
  };
  answer = () => Response.json(reply({ name: "api", state: "ok", message: "ready" }, worker));
  await show();
  const row = [...document.querySelectorAll("tr")].find((each) => each.textContent?.includes("none takes a map"));
  expect(row?.textContent).toContain("start a worker");
  expect(row?.querySelector(".badge.failed")).not.toBeNull();
});

it("says in Korean how long the oldest job waits", async () => {
  document.documentElement.lang = "ko";
  await loadMessages();
  const queue = { queue: "maps", pending: 1, running: 0, dead: 0, oldest_pending_s: 7_260 };
  answer = () => Response.json({ ...reply({ name: "api", state: "ok", message: "ready" }), queues: [queue] });
  await show();
  const row = [...document.querySelectorAll("tr")].find((each) => each.textContent?.startsWith("maps"));
  expect(row?.textContent).toContain("2시간 1분");
});

it("does not go on saying that all is well when the server no longer answers", async () => {
  answer = () => Response.json(reply({ name: "postgresql", state: "ok", message: "version 18" }));
  await show();
  answer = () => Response.json({ error: { code: "SERVICE_UNAVAILABLE", message: "no database" } }, { status: 503 });
  await client.refetchQueries();
  await vi.waitFor(() => expect(document.querySelector('[role="alert"]')).not.toBeNull(), PATIENCE);
  expect(document.body.textContent).not.toContain("version 18");
  answer = () => Response.json(reply({ name: "postgresql", state: "ok", message: "version 18 again" }));
  await client.refetchQueries();
  await vi.waitFor(() => expect(document.body.textContent).toContain("version 18 again"), PATIENCE);
});

it.each(["en", "ko"])("names the store that is down when its status cannot be read, in %s", async (language) => {
  document.documentElement.lang = language;
  await loadMessages();
  answer = () => Response.json(reply({ name: "postgresql", state: "ok", message: "version 18" }));
  await show();
  const checks = {
    postgresql: "does not answer (OperationalError)",
    disk: "x",
    schema: "x",
    valkey: "ok",
    shards: "ok",
  };
  answer = (path) =>
    path === "/ready"
      ? Response.json({ status: "not ready", checks }, { status: 503 })
      : Response.json({ error: { code: "SERVICE_UNAVAILABLE", message: "no database" } }, { status: 503 });
  await client.refetchQueries();
  await vi.waitFor(() => expect(document.querySelectorAll('[role="alert"] tbody tr')).toHaveLength(3), PATIENCE);
  const [postgresql, valkey] = [...document.querySelectorAll('[role="alert"] tbody tr')];
  expect(postgresql?.textContent).toContain(
    language === "ko"
      ? "응답하지 않아요(OperationalError). 이벤트는 브라우저에서 기다려요"
      : "does not answer (OperationalError): events wait in the browsers",
  );
  expect(postgresql?.textContent).toContain(language === "ko" ? "주소를 고쳐 주세요" : "correct its address");
  expect(valkey?.querySelector(".badge.completed")).not.toBeNull();
  expect(document.body.textContent).not.toContain("version 18");
});

it("names the database that accepts connections and answers nothing, without waiting for its answer", async () => {
  answer = () => Response.json(reply({ name: "postgresql", state: "ok", message: "version 18" }));
  await show();
  const checks = { postgresql: "does not answer (TimeoutError)", disk: "x", schema: "x", valkey: "ok", shards: "ok" };
  answer = (path) =>
    path === "/ready"
      ? Response.json({ status: "not ready", checks }, { status: 503 })
      : new Promise<Response>(() => undefined);
  void client.refetchQueries();
  await vi.waitFor(() => expect(document.querySelector('[role="alert"] tbody tr')).not.toBeNull(), PATIENCE);
  expect(document.querySelector('[role="alert"] tbody tr')?.textContent).toContain("PostgreSQL");
  expect(document.body.textContent).not.toContain("version 18");
});
