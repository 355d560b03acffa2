/** The position of a passage as W3C Web Annotation selectors, which survive small changes of the page. */

import { wholeWords } from "@trailmind/api/passage";

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

/** Elements that begin and end a line of text. */
const LINE_ELEMENTS =
  "address,article,aside,blockquote,body,dd,div,dl,dt,figcaption,figure,footer,h1,h2,h3,h4,h5,h6,header,li,main,nav," +
  "ol,p,pre,section,table,td,th,tr,ul";

/** The text of a block with the text nodes it consists of. Other blocks and line breaks in it are new lines. */
function linesAround(node: Node): { text: string; parts: { node: Text; from: number }[] } {
  const block = (node instanceof Element ? node : node.parentElement)?.closest(LINE_ELEMENTS);
  const parts: { node: Text; from: number }[] = [];
  let text = "";
  const walk = (at: Node) => {
    if (at instanceof Text) {
      parts.push({ node: at, from: text.length });
      text += at.data.replace(/\n/g, " ");
      return;
    }
    const isLine = at !== block && at instanceof Element && at.matches(`${LINE_ELEMENTS},br`);
    if (isLine) text += "\n";
    for (const child of at.childNodes) walk(child);
    if (isLine) text += "\n";
  };
  if (block) walk(block);
  return { text, parts };
}

/**
 * A range widened to whole words, by the page's language: a browser finds only whole words when a link leads to the
 * passage. `added` is the text that it begins and ends with beyond the original range.
 */
export function widenedToWords(range: Range, language: string | null): { range: Range; added: [string, string] } {
  const widened = range.cloneRange();
  const added: [string, string] = ["", ""];
  const widen = (node: Node, offset: number, isStart: boolean) => {
    if (!(node instanceof Text)) return;
    const { text, parts } = linesAround(node);
    const own = parts.find((part) => part.node === node);
    if (!own) return;
    const at = own.from + offset;
    const { start, end } = wholeWords(text, { start: at, end: at }, language);
    const to = isStart ? start : end;
    if (to === at) return;
    const target = parts.findLast((part) => part.from <= (isStart ? to : to - 1));
    if (!target) return;
    if (isStart) widened.setStart(target.node, to - target.from);
    else widened.setEnd(target.node, to - target.from);
    added[isStart ? 0 : 1] = text.slice(start, end).slice(isStart ? 0 : at - start, isStart ? at - start : undefined);
  };
  widen(range.startContainer, range.startOffset, true);
  widen(range.endContainer, range.endOffset, false);
  return { range: widened, added };
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
