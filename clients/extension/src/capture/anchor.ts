/** The position of a passage as W3C Web Annotation selectors, which survive small changes of the page. */

import type { Anchor } from "../protocol";
import { truncate, truncateStart } from "./plain-text";

const CONTEXT_CHARS = 32;
const MAX_SELECTOR_CHARS = 500;

/** Runs of white space become one space: the indentation of the markup is not part of the text. */
export const collapseWhitespace = (text: string): string => text.replace(/\s+/gu, " ").trim();

/** The offsets of `range` in the text of `root`, and the quote with its context. Null if `range` is outside `root`. */
export function anchorOf(range: Range, root: Node, exact: string): Anchor | null {
  if (!root.contains(range.commonAncestorContainer)) return null;
  const document = root.ownerDocument ?? (root as Document);
  const before = document.createRange();
  before.selectNodeContents(root);
  before.setEnd(range.startContainer, range.startOffset);
  const after = document.createRange();
  after.selectNodeContents(root);
  after.setStart(range.endContainer, range.endOffset);
  const prefix = before.toString();
  const start = prefix.length;
  return {
    quote: {
      exact,
      prefix: truncateStart(prefix, CONTEXT_CHARS),
      suffix: truncate(after.toString(), CONTEXT_CHARS),
    },
    position: { start, end: start + range.toString().length },
  };
}

/** The shortest CSS path that selects `element` alone, at most 500 characters. */
export function cssPath(element: Element | null): string {
  const steps: string[] = [];
  for (let node = element; node && node.tagName !== "HTML"; node = node.parentElement) {
    if (node.id && !/^\d|[\d]{4,}|:/.test(node.id) && node.id.length < 64) {
      steps.unshift(`#${CSS.escape(node.id)}`);
      break;
    }
    const tag = node.tagName.toLowerCase();
    const siblings = node.parentElement
      ? [...node.parentElement.children].filter((child) => child.tagName === node?.tagName)
      : [];
    steps.unshift(siblings.length > 1 ? `${tag}:nth-of-type(${siblings.indexOf(node) + 1})` : tag);
    if (tag === "body") break;
  }
  let path = steps.join(" > ");
  while (path.length > MAX_SELECTOR_CHARS && steps.length > 1) {
    steps.shift();
    path = steps.join(" > ");
  }
  return path.slice(0, MAX_SELECTOR_CHARS);
}
