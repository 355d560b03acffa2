import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Settings } from "~/account/Settings";
import { settingsQuery } from "~/api/queries";
import { loadMessages } from "~/i18n";
import { Toaster } from "~/ui/Toaster";

const PATIENCE = { timeout: 20_000 };
let root: Root;
let client: QueryClient;
let reads: (() => void)[];
let isReadHeld: boolean;
let stored: Record<string, unknown>;
let answers: ((isSaved: boolean) => void)[];

beforeEach(async () => {
  stored = { email_notifications: true, allows_datasets: false, excluded_domains: [], allowed_domains: [] };
  answers = [];
  reads = [];
  isReadHeld = false;
  client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  vi.stubGlobal("fetch", async (request: Request) => {
    if (request.method !== "PATCH") {
      const reply = request.url.endsWith("/settings") ? { settings: stored } : { server: { sends_mail: true } };
      if (isReadHeld) await new Promise<void>((resolve) => reads.push(resolve));
      return Response.json(reply);
    }
    const change = await request.json();
    if (!(await new Promise((resolve) => answers.push(resolve)))) throw new TypeError("Failed to fetch");
    stored = { ...stored, ...change };
    return Response.json({ settings: stored });
  });
  await loadMessages();
  root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(
    <QueryClientProvider client={client}>
      <Settings />
      <Toaster />
    </QueryClientProvider>,
  );
  await vi.waitFor(() => expect(switches()).toEqual([true, false]), PATIENCE);
});

afterEach(() => {
  root.unmount();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

const boxes = () => [...document.querySelectorAll<HTMLInputElement>("input[type=checkbox]")];
const switches = () => boxes().map((box) => box.checked);

it("shows a switch as it was set before the server has answered, and as it was when nothing was saved", async () => {
  boxes()[1]?.click();
  await vi.waitFor(() => expect(answers).toHaveLength(1), PATIENCE);
  await vi.waitFor(() => expect(switches()).toEqual([true, true]), PATIENCE);
  answers[0]?.(false);
  await vi.waitFor(() => expect(document.body.textContent).toContain("The server cannot be reached."), PATIENCE);
  await vi.waitFor(() => expect(switches()).toEqual([true, false]), PATIENCE);
});

it("keeps a change that is made while another is saved", async () => {
  boxes()[1]?.click();
  await vi.waitFor(() => expect(answers).toHaveLength(1), PATIENCE);
  boxes()[0]?.click();
  await vi.waitFor(() => expect(switches()).toEqual([false, true]), PATIENCE);
  answers[0]?.(true);
  await vi.waitFor(() => expect(answers).toHaveLength(2), PATIENCE);
  await vi.waitFor(() => expect(document.body.textContent).toContain("Settings saved"), PATIENCE);
  expect(switches()).toEqual([false, true]);
  answers[1]?.(true);
  await vi.waitFor(() => expect(stored).toMatchObject({ email_notifications: false, allows_datasets: true }), PATIENCE);
  expect(switches()).toEqual([false, true]);
});

it("keeps a saved change when an answer that was asked for before it comes late", async () => {
  boxes()[1]?.click();
  await vi.waitFor(() => expect(answers).toHaveLength(1), PATIENCE);
  isReadHeld = true;
  // As when the window gets the focus.
  void client.invalidateQueries({ queryKey: settingsQuery().queryKey });
  await vi.waitFor(() => expect(reads).toHaveLength(1), PATIENCE);
  answers[0]?.(true);
  await vi.waitFor(() => expect(document.body.textContent).toContain("Settings saved"), PATIENCE);
  reads[0]?.();
  await vi.waitFor(() => expect(client.isFetching()).toBe(0), PATIENCE);
  expect(switches()).toEqual([true, true]);
});
