// @vitest-environment node
import { expect, test } from "vitest";

import { makePdf } from "../testing/pdf-file";
import { extractPdfText, joinLines } from "./text";

test("text, pages and title", async () => {
  const paper = makePdf([["A paper about reefs", "Each polyp builds its house."], ["The second page."]], "Reefs");
  expect(await extractPdfText(paper)).toEqual({
    title: "Reefs",
    text: "A paper about reefs\nEach polyp builds its house.\n\nThe second page.",
    isTruncated: false,
  });
});

test("truncates at the limits of characters and pages", async () => {
  const pages = Array.from({ length: 8 }, (_, i) => [`Page ${i} has exactly this many words.`]);
  const short = await extractPdfText(makePdf(pages), 50);
  expect(short.text).toHaveLength(50);
  expect(short.isTruncated).toBe(true);
  expect(await extractPdfText(makePdf(pages), 10_000, 2)).toMatchObject({
    text: "Page 0 has exactly this many words.\n\nPage 1 has exactly this many words.",
    isTruncated: true,
  });
});

test("a page without text has none", async () => {
  expect(await extractPdfText(makePdf([[]]))).toMatchObject({ title: "", text: "" });
});

test("a broken file throws", async () => {
  await expect(extractPdfText(new TextEncoder().encode("%PDF-1.4 and then nothing"))).rejects.toThrow();
});

test("a word hyphenated at the end of a line is one word, a dash is not a hyphen", () => {
  const line = (str: string) => ({ str, hasEOL: true });
  expect(joinLines([line("The archi-"), line("tecture of a coral-"), line("Reef 3-"), line("4")])).toBe(
    "The architecture of a coral-\nReef 3-\n4\n",
  );
});
