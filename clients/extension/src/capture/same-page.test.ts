import { expect, test } from "vitest";

import type { ContentState } from "./content";
import { isSamePage, type PageState } from "./same-page";

const content = (fields: Partial<ContentState> = {}): ContentState => ({
  title: "How to mend a net",
  length: 3_000,
  hash: 1,
  numHeadings: 1,
  ...fields,
});
const page = (url: string, fields: Partial<ContentState> = {}, canonical: string | null = null): PageState => ({
  url: `https://a.com${url}`,
  canonical: canonical && `https://a.com${canonical}`,
  content: content(fields),
});
const grown = { length: 6_000, hash: 2 };

test.each([
  ["a map moves", "/map/@37.5N", "/map/@37.6N", {}, null, true],
  ["a clock ticks", "/map/@37.5N", "/map/@37.6N", { length: 3_001, hash: 2 }, null, true],
  ["a thread counts its posts", "/t/net/812", "/t/net/812/9", grown, null, true],
  ["a thread goes on from a post", "/t/net/812/4", "/t/net/812/9", grown, "/t/net/812", true],
  ["the title counts unread messages", "/t/net/812/4", "/t/net/812/9", { title: "(2) How to mend a net" }, null, true],
  ["a search is typed", "/search?q=re", "/search?q=reef", { length: 2_000, hash: 2 }, null, true],
  ["the next article of a list", "/list/1", "/list/2", { ...grown, title: "Another" }, null, false],
  ["the next article without a title of its own", "/list/1", "/list/2", { ...grown, numHeadings: 2 }, null, false],
] as const)("%s", (_, from, to, fields, canonical, expected) => {
  expect(isSamePage(page(from, {}, canonical), page(to, fields, canonical))).toBe(expected);
});
