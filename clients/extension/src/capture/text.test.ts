// @vitest-environment happy-dom
import { beforeEach, expect, test } from "vitest";

import { hasVisiblePasswordField } from "./password";
import { MAX_TEXT_CHARS, normalizeWhitespace, truncate } from "./plain-text";
import { blockText } from "./shown";
import { readPage } from "./text";

beforeEach(() => {
  document.head.innerHTML = "";
  document.body.innerHTML = "";
});

const prose = (words: number) => Array.from({ length: words }, (_, i) => `word${i % 97}, then another.`).join(" ");

test("extracts the article without navigation", () => {
  document.head.innerHTML = '<title>T</title><meta name="description" content="About reefs">';
  document.documentElement.lang = "en";
  document.body.innerHTML = `<nav>Menu Menu Menu</nav><article><h1>Reefs</h1><p>First. ${prose(60)}</p><p>Second. ${prose(60)}</p></article>`;
  const page = readPage(document);
  expect(page).toMatchObject({ method: "readability", language: "en", description: "About reefs", isTruncated: false });
  expect(page.text).toContain("First.");
  expect(page.text).not.toContain("Menu");
  expect(page.text).toMatch(/another\.\n+Second\./);
  expect(document.querySelectorAll("article p")).toHaveLength(2);
});

test("falls back to the visible text", () => {
  document.body.innerHTML = "<main>Short but real words.</main>";
  expect(readPage(document)).toMatchObject({ text: "Short but real words." });
});

test("truncates at the limit", () => {
  document.body.innerHTML = `<article>${`<p>${prose(300)}</p>`.repeat(20)}</article>`;
  const page = readPage(document);
  expect(page.text.length).toBeLessThanOrEqual(MAX_TEXT_CHARS);
  expect(page.isTruncated).toBe(true);
});

test("an empty page has no text", () => {
  expect(readPage(document)).toMatchObject({ text: "", method: "none" });
});

test("does not split a surrogate pair", () => {
  expect(truncate("ab😀", 3)).toBe("ab");
  expect(truncate("ab😀", 4)).toBe("ab😀");
});

test("white space collapses, paragraphs stay", () => {
  expect(normalizeWhitespace("  a \t b \n\n\n\n c\r\n")).toBe("a b\n\nc");
  const div = document.createElement("div");
  div.innerHTML = "<p>One.</p><p>Two <b>bold</b>.</p>";
  expect(normalizeWhitespace(blockText(div))).toBe("One.\n\nTwo bold.");
});

test("a password field counts if it is visible", () => {
  expect(hasVisiblePasswordField(document)).toBe(false);
  document.body.innerHTML = '<input type="password">';
  const field = document.querySelector("input") as HTMLInputElement;
  field.checkVisibility = () => true;
  expect(hasVisiblePasswordField(document)).toBe(true);
  field.checkVisibility = () => false;
  expect(hasVisiblePasswordField(document)).toBe(false);
});
