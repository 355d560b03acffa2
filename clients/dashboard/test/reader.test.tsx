import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import type { PageTextReply } from "@trailmind/api";
import { expect, it, vi } from "vitest";
import { en } from "~/i18n/en";
import Reader from "~/session/Reader";
import { mountedRoot } from "./mounted-root";

const mounted = mountedRoot();

const highlight = (id: string, text: string) => ({ id, text, prefix: "", suffix: "", color: "yellow" });

function read(text: string, highlights: PageTextReply["highlights"]) {
  const page = { page_id: "p", url: "https://a.example/", title: "A page", text, is_truncated: false, highlights };
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify(page), { status: 200 }));
  mounted.root.render(
    <QueryClientProvider client={new QueryClient()}>
      <Reader owner={{ kind: "session", id: "s" }} pageId="p" quote={null} onClose={() => {}} />
    </QueryClientProvider>,
  );
}

const texts = (selector: string) => [...document.querySelectorAll(selector)].map((each) => each.textContent);

it("marks highlights in the text, and lists those that the text does not contain", async () => {
  read("The first line.\nThe second\nline of the page.", [
    highlight("1", "second line"),
    highlight("2", "words that were drawn later"),
  ]);
  await vi.waitFor(() => expect(texts("mark.highlight")).toEqual(["second", "line"]));
  expect(texts("h3")).toEqual([en.reader.unplaced]);
  expect(texts("blockquote")).toEqual(["words that were drawn later"]);
});

it("shows the highlights of a page without a text", async () => {
  read("", [highlight("1", "words of a picture")]);
  await vi.waitFor(() => expect(texts("blockquote")).toEqual(["words of a picture"]));
  expect(texts("article p")).toEqual([en.reader.empty]);
});

it("has no list when every highlight is in its place", async () => {
  read("One line.", [highlight("1", "One line")]);
  await vi.waitFor(() => expect(texts("mark")).toEqual(["One line"]));
  expect(texts("blockquote, h3")).toEqual([]);
});
