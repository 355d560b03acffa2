import { expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

import { listen, readPdf } from "./reader";

const TEXT = { title: "T", text: "Words.", isTruncated: false };
const paper = (async () => new Response("%PDF-1.4")) as unknown as typeof fetch;

test("returns the text of a PDF or null, never throws", async () => {
  expect(await readPdf("https://example.com/p.pdf", async () => TEXT, paper)).toEqual(TEXT);
  vi.spyOn(console, "info").mockReturnValue();
  const broken = async () => Promise.reject(new Error("Invalid PDF structure"));
  expect(await readPdf("https://example.com/p.pdf", broken, paper)).toBeNull();
  const cut = (async () => Promise.reject(new TypeError("Failed to fetch"))) as unknown as typeof fetch;
  expect(await readPdf("https://example.com/p.pdf", async () => TEXT, cut)).toBeNull();
});

test("reads for the worker only, and closes when idle", () => {
  vi.useFakeTimers();
  Object.assign(fakeBrowser.runtime, { id: "us" });
  const added = vi.spyOn(fakeBrowser.runtime.onMessage, "addListener");
  const close = vi.fn();
  vi.stubGlobal("fetch", paper);
  vi.stubGlobal(
    "Worker",
    class {
      addEventListener() {}
      postMessage() {}
      terminate() {}
    },
  );
  listen(close);
  const hear = added.mock.calls[0]?.[0] as (message: unknown, sender: object, respond: () => void) => unknown;
  expect(hear({ readPdf: "https://example.com/p.pdf" }, { id: "us", tab: { id: 1 } }, () => undefined)).toBe(false);
  expect(hear({ readPdf: "https://example.com/p.pdf" }, { id: "another" }, () => undefined)).toBe(false);
  expect(hear({ command: "refresh" }, { id: "us" }, () => undefined)).toBe(false);
  vi.advanceTimersByTime(19_000);
  expect(close).not.toHaveBeenCalled();
  vi.advanceTimersByTime(2_000);
  expect(close).toHaveBeenCalledOnce();
  expect(hear({ readPdf: "https://example.com/p.pdf" }, { id: "us" }, () => undefined)).toBe(true);
  vi.useRealTimers();
});
