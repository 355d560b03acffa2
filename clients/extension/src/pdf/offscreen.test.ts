import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

import { readPdfOffscreen } from "./offscreen";

const TEXT = { title: "", text: "Words.", isTruncated: false };
let isOpen = false;
const offscreen = {
  createDocument: vi.fn(async () => {
    isOpen = true;
  }),
  closeDocument: vi.fn(async () => {
    isOpen = false;
  }),
};

beforeEach(() => {
  isOpen = false;
  vi.clearAllMocks();
  Object.assign(fakeBrowser, { offscreen });
  Object.assign(fakeBrowser.runtime, { getContexts: async () => (isOpen ? [{}] : []) });
});

test("one offscreen document for several PDFs, closed afterwards", async () => {
  const sent = vi.spyOn(fakeBrowser.runtime, "sendMessage").mockImplementation(async () => TEXT as never);
  expect(await Promise.all([readPdfOffscreen("https://a.com/1.pdf"), readPdfOffscreen("https://a.com/2.pdf")])).toEqual(
    [TEXT, TEXT],
  );
  await vi.waitFor(() => expect(isOpen).toBe(false));
  expect(offscreen.createDocument).toHaveBeenCalledOnce();
  expect(sent.mock.calls.map(([message]) => message)).toEqual([
    { readPdf: "https://a.com/1.pdf" },
    { readPdf: "https://a.com/2.pdf" },
  ]);
});

test("without a reader the text is null", async () => {
  vi.spyOn(fakeBrowser.runtime, "sendMessage").mockRejectedValue(new Error("Receiving end does not exist."));
  expect(await readPdfOffscreen("https://a.com/1.pdf")).toBeNull();
  await vi.waitFor(() => expect(offscreen.closeDocument).toHaveBeenCalled());
});
