import { expect, test, vi } from "vitest";

import { downloadPdf } from "./download";

const URL_ = "https://example.com/paper.pdf";
const answering = (body: BodyInit, init: ResponseInit = {}, from = URL_) => {
  const response = new Response(body, init);
  Object.defineProperty(response, "url", { value: from });
  return vi.fn(async () => response) as unknown as typeof fetch;
};
const get = (fetch: typeof globalThis.fetch, maxBytes?: number) =>
  downloadPdf(URL_, new AbortController().signal, fetch, maxBytes);

test("returns the bytes, fetched with the cookies of the tab", async () => {
  const fetch = answering("%PDF-1.4 words");
  expect(new TextDecoder().decode((await get(fetch)) as Uint8Array)).toBe("%PDF-1.4 words");
  expect(fetch).toHaveBeenCalledWith(
    URL_,
    expect.objectContaining({ credentials: "include", referrerPolicy: "no-referrer" }),
  );
});

test.each([
  ["a sign-in page in its place", answering("<!doctype html><title>Sign in</title>")],
  ["a refusal", answering("%PDF-1.4", { status: 403 })],
  ["another site", answering("%PDF-1.4", {}, "https://bank.example/paper.pdf")],
  ["too large, as announced", answering("%PDF-1.4", { headers: { "Content-Length": "21" } })],
  ["too large, as it turns out", answering(`%PDF-1.4${" ".repeat(30)}`)],
  ["nothing", answering("")],
])("null for %s", async (_, fetch) => {
  expect(await get(fetch, 20)).toBeNull();
});
