import { ApiError } from "@trailmind/api";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";
import { SignedOutError, UnreachableError } from "../api/errors";
import { CommandError } from "../command-error";
import type { Pages } from "../recording/pages";
import { Recorder } from "../recording/recorder";
import type { Generation } from "../recording/view";
import { changeSettings, readSettings } from "../settings";
import { createFixture, makeEvent, makeRecording } from "../testing/fixtures";
import { ORIGIN } from "../testing/memory-server";
import { commandHandlers } from "./commands";
import { errorResponse } from "./errors";

let b: Awaited<ReturnType<typeof createFixture>>;
let run: ReturnType<typeof commandHandlers>;
let generation: Generation | null;
const contains = vi.fn();
const pages: Pages = {
  install: async () => undefined,
  uninstall: async () => undefined,
  broadcast: async () => undefined,
  finish: async () => [],
  isDocumentAlive: async () => false,
  isLoading: async () => false,
  extract: async () => ({
    title: "T",
    url: "",
    referrer: "",
    text: "Body.",
    method: "readability",
    isTruncated: false,
    language: null,
    description: null,
    canonical: null,
  }),
  pdfText: async () => null,
};

beforeEach(async () => {
  b = await createFixture();
  generation = null;
  contains.mockResolvedValue(true);
  Object.assign(fakeBrowser, { permissions: { contains } });
  const tab = { id: 7, windowId: 1, url: "https://example.com/a", incognito: false };
  vi.spyOn(fakeBrowser.tabs, "query").mockResolvedValue([tab] as never);
  vi.spyOn(fakeBrowser.tabs, "get").mockImplementation((async () => tab) as never);
  await changeSettings({ serverUrl: ORIGIN, consentedAt: 1, language: "en" });
  const onQueued = () => undefined;
  const recorder = new Recorder({
    store: b.store,
    pages,
    settings: readSettings,
    onQueued,
    onChange: onQueued,
    now: b.clock.now,
  });
  run = commandHandlers({
    store: b.store,
    account: b.account,
    api: b.api,
    recorder,
    pages,
    settings: readSettings,
    setGeneration: (value) => (generation = value),
    sendNow: () => b.sender.flush(true),
    publish: async () => undefined,
    now: b.clock.now,
  });
});

const ALL = { scope: "all", tabId: null, windowId: null } as const;
const only = async () => (await b.store.recordings())[0];
const setFields = (fields: object) => b.store.updateRecording("r1", (r) => void Object.assign(r, fields));

describe("start", () => {
  test.each([
    ["consent", () => changeSettings({ consentedAt: null }), "no_consent"],
    ["the permission", () => contains.mockResolvedValue(false), "no_permission"],
    ["an account", () => b.account.signOut(), "signed_out"],
  ])("requires %s", async (_, spoil, code) => {
    await spoil();
    await expect(run.start(ALL)).rejects.toMatchObject({ code });
    expect(await b.store.recordings()).toEqual([]);
  });

  test("deletes completed recordings", async () => {
    await b.store.addRecording({ ...makeRecording("done"), status: "completed", endedAt: 1 });
    await run.start(ALL);
    expect(await b.store.recordings()).toMatchObject([{ status: "recording", userId: "u1" }]);
  });

  test("resolves this tab and this window", async () => {
    await run.start({ scope: "tab", tabId: null, windowId: null });
    expect((await only())?.scope).toEqual({ kind: "tab", tabId: 7 });
  });
});

test("from start to the map", async () => {
  await run.start(ALL);
  // Without a title of the user's the server makes one from the pages.
  expect(await only()).toMatchObject({ title: "" });
  await b.store.append((await only())?.id ?? "", makeEvent());
  await run.rename({ id: (await only())?.id ?? "", title: `  ${"long ".repeat(40)}` });
  await run.stop({});
  await b.sender.flush(true);
  expect(await only()).toMatchObject({ status: "completed" });
  expect([...b.server.sessions.values()][0]?.title.length).toBeLessThanOrEqual(100);
  await run.refresh({});
  expect(generation).toMatchObject({ status: "generating", percent: 40 });
  await run.dismiss({ id: (await only())?.id ?? "" });
  expect(await b.store.recordings()).toEqual([]);
});

test("a map that was refused because tokens are missing says when they are renewed", async () => {
  await run.start(ALL);
  await b.store.append((await only())?.id ?? "", makeEvent());
  await run.stop({});
  await b.sender.flush(true);
  b.server.mindmap = { status: "failed", error_code: "TOKEN_LIMIT_EXCEEDED" };
  await run.refresh({});
  const values = { resets_at: b.server.periodEnd };
  expect(generation).toMatchObject({ status: "failed", failure: { code: "TOKEN_LIMIT_EXCEEDED", values } });
});

describe("decisions", () => {
  beforeEach(async () => {
    await b.store.addRecording({ ...makeRecording("r1"), serverId: "s1", serverStatus: "recording" });
    await b.store.append("r1", makeEvent());
  });

  test("delete also deletes the session on the server", async () => {
    await setFields({ serverId: null });
    await b.sender.flush();
    await setFields({ status: "interrupted", endedAt: 2 });
    await run.decide({ id: "r1", choice: "delete" });
    expect(b.server.sessions.size).toBe(0);
    expect(await b.store.recordings()).toEqual([]);
  });

  test("delete without a network fails and keeps the recording", async () => {
    await setFields({ status: "interrupted", endedAt: 2 });
    b.server.fault = () => "disconnect";
    await expect(run.decide({ id: "r1", choice: "delete" })).rejects.toBeInstanceOf(UnreachableError);
    expect(await b.store.waiting("r1")).toHaveLength(1);
  });

  test("finish sends the events of an interrupted recording", async () => {
    await setFields({ serverId: null, status: "interrupted", endedAt: 2 });
    await run.decide({ id: "r1", choice: "finish" });
    await b.sender.flush(true);
    expect(await only()).toMatchObject({ status: "completed" });
    expect(b.server.stored).toHaveLength(1);
  });

  test("a lost recording is saved in a new session", async () => {
    await setFields({ status: "lost", lostReason: "gone", endedAt: 2 });
    await run.decide({ id: "r1", choice: "finish" });
    await b.sender.flush(true);
    expect(b.server.stored).toHaveLength(1);
    expect((await only())?.status).toBe("completed");
  });

  test("export has all local data", async () => {
    const file = JSON.parse(await run.export({ id: "r1" })) as { waiting: unknown[] };
    expect(file.waiting).toHaveLength(1);
  });
});

test("signing out stops the recording and keeps unsent events", async () => {
  await run.start(ALL);
  await b.store.append((await only())?.id ?? "", makeEvent());
  b.server.fault = (call) => (call.endsWith("/events") ? 503 : undefined);
  await run.signOut({});
  expect(await b.account.user()).toBeNull();
  expect(await only()).toMatchObject({ status: "stopping" });
  expect((await b.store.receipt((await only())?.id ?? "")).waiting).toBe(1);
});

test("excluding a site accepts a pasted address", async () => {
  await run.exclude({ host: "https://www.example.com/x" });
  await run.exclude({ host: "example.com" });
  expect((await readSettings()).excludedHosts).toEqual(["example.com"]);
  await expect(run.exclude({ host: " " })).rejects.toMatchObject({ code: "bad_host" });
});

describe("preview", () => {
  test("is the event that a recording would send", async () => {
    expect(await run.preview({ tabId: 7 })).toMatchObject({
      decision: { allowed: true },
      events: [{ type: "page_visit", title: "T", content: "Body." }],
    });
  });

  test("reads no content of an excluded page", async () => {
    await changeSettings({ excludedHosts: ["example.com"] });
    const extract = vi.spyOn(pages, "extract");
    expect(await run.preview({ tabId: 7 })).toMatchObject({ decision: { reason: "user" }, events: null });
    expect(extract).not.toHaveBeenCalled();
  });
});

test("an import fails during a recording", async () => {
  await run.start(ALL);
  await expect(run.importTabs({})).rejects.toMatchObject({ code: "busy" });
});

test("errors are mapped to codes of the message catalogue", () => {
  expect(errorResponse(new CommandError("busy"))).toMatchObject({ code: "busy" });
  expect(errorResponse(new SignedOutError())).toMatchObject({ code: "signed_out" });
  expect(errorResponse(new UnreachableError())).toMatchObject({ code: "unreachable" });
  expect(errorResponse(new ApiError(409, "CONFLICT", "email already exists"))).toEqual({
    ok: false,
    code: "http_409",
    server: { code: "CONFLICT", values: {} },
  });
  expect(errorResponse("odd")).toMatchObject({ code: "unexpected" });
});
