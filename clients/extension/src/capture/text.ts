/** The readable text of a page. Runs on request in its own script, never while the page loads. */

import { Readability } from "@mozilla/readability";

import { removeBeside } from "./beside";
import { MAX_TEXT_CHARS, normalizeShown, normalizeWhitespace, truncate, withLayout } from "./plain-text";
import { blockText, ShownCopy } from "./shown";

/** Readability clones and walks the whole document, which blocks the page noticeably above this size. */
const MAX_ELEMENTS = 30_000;
const MIN_ARTICLE_CHARS = 200;
/** An extract that is a smaller part of the page's main element is a part of the article, not the article. */
const MIN_ARTICLE_PART = 0.6;
/** Outside the article by their meaning. */
const NAVIGATION =
  'nav, footer, aside, [role="navigation"], [role="contentinfo"], [role="complementary"], dialog:not([open])';

export interface PageText {
  text: string;
  /** `pdf`: scripts see an empty document in Chrome's viewer; the text has to be read from the file. */
  method: "readability" | "visible" | "pdf" | "none";
  isTruncated: boolean;
  language: string | null;
  description: string | null;
  canonical: string | null;
}

const meta = (document: Document, selector: string, attribute: string): string | null =>
  truncate(document.querySelector(selector)?.getAttribute(attribute)?.trim() ?? "", 500) || null;

export function readPage(document: Document): PageText {
  const page = {
    language: document.documentElement?.lang || null,
    description: meta(document, 'meta[name="description"], meta[property="og:description"]', "content"),
    canonical: meta(document, 'link[rel="canonical"]', "href"),
  };
  const empty: PageText = { ...page, text: "", method: "none", isTruncated: false };
  if (document.contentType === "application/pdf") return { ...empty, method: "pdf" };
  if (!document.body) return empty;
  if (document.getElementsByTagName("*").length > MAX_ELEMENTS) {
    // biome-ignore lint/performance/useDomNodeTextContent: textContent includes what the page hides
    return withText(page, normalizeShown(document.body.innerText ?? ""), "visible");
  }
  const shown = new ShownCopy(document, window as Window & typeof globalThis).document;
  removeBeside(shown);
  const main = mainText(shown);
  let article = "";
  try {
    // Readability changes the copy, so it comes last.
    const parsed = new Readability<Node>(shown, { charThreshold: 300, serializer: (node) => node }).parse();
    article = parsed?.content ? normalizeWhitespace(blockText(parsed.content)) : "";
  } catch {
    // If Readability fails on the markup, the text of the main element is used.
  }
  const isPart = article.length < Math.max(MIN_ARTICLE_CHARS, main.marked.length * MIN_ARTICLE_PART);
  if (!isPart) return withText(page, article, "readability");
  const text = main.marked || main.body;
  return text.length > article.length ? withText(page, text, "visible") : withText(page, article, "readability");
}

type Meta = Pick<PageText, "language" | "description" | "canonical">;

function withText(page: Meta, normalized: string, method: PageText["method"]): PageText {
  const text = withLayout(normalized);
  if (text === "") return { ...page, text, method: "none", isTruncated: false };
  return { ...page, text: truncate(text, MAX_TEXT_CHARS), method, isTruncated: text.length > MAX_TEXT_CHARS };
}

/** The text of the only `article`, or else of the only `main`, without navigation, and the text of the whole body. */
function mainText(document: Document): { marked: string; body: string } {
  const body = normalizeWhitespace(blockText(document.body));
  for (const selector of ["article", 'main, [role="main"]']) {
    const [root, another] = document.querySelectorAll(selector);
    if (!root || another) continue;
    const copy = root.cloneNode(true) as Element;
    for (const element of copy.querySelectorAll(NAVIGATION)) element.remove();
    const marked = normalizeWhitespace(blockText(copy));
    if (marked) return { marked, body };
  }
  return { marked: "", body };
}
