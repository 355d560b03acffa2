import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

import { QueueStore } from "../queue/store";
import type { PageExtract } from "../recording/pages";
import { type ImportDeps, importHistory, importTabs } from "./imports";

const NOW = 1_800_000_000_000;
const EXTRACT: PageExtract = {
  title: "T",
  url: "",
  referrer: "",
  text: "Body.",
  method: "readability",
  isTruncated: false,
  language: null,
  description: null,
  canonical: null,
};
let store: QueueStore;
let deps: ImportDeps;

beforeEach(() => {
  store = new QueueStore();
  deps = {
    store,
    pages: { extract: async () => EXTRACT, pdfText: async () => null },
    user: { id: "u1", origin: "https://server.example" },
    policy: { allowedHosts: [], excludedHosts: ["mine.example"], allowsIncognito: false, ownOrigins: [] },
    recordsText: true,
    now: () => NOW,
  };
});

const tab = (id: number, url: string, fields = {}) => ({
  id,
  url,
  title: `Tab ${id}`,
  incognito: false,
  lastAccessed: NOW - id * 1_000,
  ...fields,
});
const bodies = async () => {
  const [recording] = await store.recordings();
  return (await store.waiting(recording?.id ?? "")).map(({ body }) => body);
};

test("open tabs are imported oldest first, without excluded ones", async () => {
  const tabs = [
    tab(1, "https://example.com/a?token=x"),
    tab(2, "https://example.com/b", { discarded: true }),
    tab(3, "https://mail.google.com/"),
    tab(4, "chrome://settings"),
    tab(5, "https://example.com/secret", { incognito: true }),
  ];
  vi.spyOn(fakeBrowser.tabs, "query").mockResolvedValue(tabs as never);
  expect(await importTabs(deps)).toEqual({ imported: 2, skipped: 3 });
  expect(await store.recordings()).toMatchObject([{ status: "stopping", title: "", startedAt: NOW - 2_000 }]);
  expect(await bodies()).toMatchObject([
    { url: "https://example.com/b", title: "Tab 2", timestamp: NOW - 2_000, metadata: { via: "open_tab" } },
    { url: "https://example.com/a?token=REDACTED", title: "Tab 1", content: "Body." },
  ]);
  expect((await bodies())[0]).not.toHaveProperty("content");
});

test("a page with a password field is skipped; a PDF is imported with its text", async () => {
  const tabs = [
    tab(1, "https://example.com/members"),
    tab(2, "https://example.com/p.pdf"),
    tab(3, "https://example.com/b", { discarded: true }),
  ];
  vi.spyOn(fakeBrowser.tabs, "query").mockResolvedValue(tabs as never);
  const pdf: PageExtract = { ...EXTRACT, url: "https://example.com/p.pdf", text: "", method: "pdf" };
  deps.pages = {
    extract: async (tabId) => (tabId === 2 ? pdf : null),
    pdfText: async () => ({ title: "", text: "Words of the paper.", isTruncated: false }),
  };
  expect(await importTabs(deps)).toEqual({ imported: 2, skipped: 1 });
  expect(await bodies()).toMatchObject([
    { url: "https://example.com/b" },
    {
      url: "https://example.com/p.pdf",
      content: "Words of the paper.",
      metadata: { text_method: "pdf", via: "open_tab" },
    },
  ]);
});

test("no recording is created if every page is excluded", async () => {
  vi.spyOn(fakeBrowser.tabs, "query").mockResolvedValue([tab(1, "chrome://newtab")] as never);
  expect(await importTabs(deps)).toEqual({ imported: 0, skipped: 1 });
  expect(await store.recordings()).toEqual([]);
});

test("each visit of the history is imported, without active time", async () => {
  const visits: Record<string, unknown[]> = {
    "https://example.com/a": [
      { visitTime: NOW - 1_000, transition: "link" },
      { visitTime: NOW - 500, transition: "reload" },
      { visitTime: NOW - 9 * 3_600_000, transition: "link" },
    ],
    "https://example.com/b": [{ visitTime: NOW - 2_000, transition: "typed" }],
  };
  const search = vi
    .fn()
    .mockResolvedValue([
      { url: "https://example.com/a", title: "A" },
      { url: "https://example.com/b", title: "" },
      { url: "https://mine.example/" },
    ]);
  const getVisits = vi.fn(async ({ url }: { url: string }) => visits[url]);
  Object.assign(fakeBrowser, { history: { search, getVisits } });
  expect(await importHistory(deps, 3)).toEqual({ imported: 2, skipped: 1 });
  expect(search).toHaveBeenCalledWith(expect.objectContaining({ startTime: NOW - 3 * 3_600_000 }));
  expect(await bodies()).toMatchObject([
    { type: "page_visit", url: "https://example.com/b", timestamp: NOW - 2_000 },
    { type: "page_visit", url: "https://example.com/a", title: "A", metadata: { via: "history" } },
  ]);
  expect(JSON.stringify(await bodies())).not.toContain("duration_ms");
});
