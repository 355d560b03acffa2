/** The readable text of a page. Runs on request in its own script, never while the page loads. */

import { Readability } from "@mozilla/readability";

import { MAX_TEXT_CHARS, normalizeWhitespace, truncate } from "./plain-text";

/** Readability clones and walks the whole document, which blocks the page noticeably above this size. */
const MAX_ELEMENTS = 30_000;
const MIN_ARTICLE_CHARS = 200;

export interface PageText {
  text: string;
  /** `pdf`: scripts see an empty document in Chrome's viewer; the text has to be read from the file. */
  method: "readability" | "visible" | "pdf" | "none";
  isTruncated: boolean;
  language: string | null;
  description: string | null;
  canonical: string | null;
}

const BLOCKS = new Set(
  (
    "ADDRESS ARTICLE ASIDE BLOCKQUOTE BR DD DIV DL DT FIGCAPTION FIGURE FOOTER H1 H2 H3 H4 H5 H6 HEADER HR LI MAIN NAV " +
    "OL P PRE SECTION TABLE TD TH TR UL"
  ).split(" "),
);

/** The text of `node` with one line per block element; `textContent` would join paragraphs. */
export function blockText(node: Node): string {
  if (node.nodeType === 3) return node.nodeValue ?? "";
  let text = "";
  for (const child of node.childNodes) text += blockText(child);
  return BLOCKS.has((node as Element).tagName) ? `\n${text}\n` : text;
}

const meta = (document: Document, selector: string, attribute: string): string | null =>
  document.querySelector(selector)?.getAttribute(attribute)?.trim().slice(0, 500) || null;

export function readPage(document: Document): PageText {
  const page = {
    language: document.documentElement?.lang || null,
    description: meta(document, 'meta[name="description"], meta[property="og:description"]', "content"),
    canonical: meta(document, 'link[rel="canonical"]', "href"),
  };
  const empty: PageText = { ...page, text: "", method: "none", isTruncated: false };
  if (document.contentType === "application/pdf") return { ...empty, method: "pdf" };
  if (!document.body) return empty;
  let text = "";
  let method: PageText["method"] = "readability";
  if (document.getElementsByTagName("*").length <= MAX_ELEMENTS) {
    try {
      const clone = document.cloneNode(true) as Document;
      const article = new Readability<Node>(clone, { charThreshold: 300, serializer: (node) => node }).parse();
      text = article?.content ? normalizeWhitespace(blockText(article.content)) : "";
    } catch {
      // If Readability fails on the markup, the visible text is used.
    }
  }
  if (text.length < MIN_ARTICLE_CHARS) {
    const root = document.querySelector<HTMLElement>('main, article, [role="main"]') ?? document.body;
    // biome-ignore lint/performance/useDomNodeTextContent: textContent includes what the page hides
    const visible = normalizeWhitespace(root.innerText ?? "");
    if (visible.length > text.length) [text, method] = [visible, "visible"];
  }
  if (text === "") return empty;
  return { ...page, text: truncate(text, MAX_TEXT_CHARS), method, isTruncated: text.length > MAX_TEXT_CHARS };
}
