/**
 * A copy of what a document shows, for the extraction of its text: with shadow roots and large frames in their place,
 * without what a stylesheet hides, without readings beside the words (ruby), with each formula once, and with the
 * indentation of programs.
 */

import { mathText } from "./math";
import { keepLayout } from "./plain-text";
import { frameDocument, shadowRootOf } from "./shadow";

/** Never part of the text. */
const SKIPPED = new Set("script style template noscript rt rp rtc title desc".split(" "));
/** Shown as a field or a picture, which stands between the words beside it. What the user types is not recorded. */
const REPLACED = new Set(
  "textarea select datalist input meter progress object embed canvas iframe frame video audio".split(" "),
);
const EDITABLE = '[contenteditable=""], [contenteditable="true"], [contenteditable="plaintext-only"]';
/** Elements that stand on lines of their own. Others do if their style says so. */
const BLOCKS = new Set(
  (
    "ADDRESS ARTICLE ASIDE BLOCKQUOTE BODY BR CAPTION CENTER DD DETAILS DIALOG DIR DIV DL DT FIELDSET FIGCAPTION FIGURE " +
    "FOOTER FORM H1 H2 H3 H4 H5 H6 HEADER HGROUP HR LEGEND LI MAIN MENU NAV OL OPTGROUP OPTION P PRE SEARCH SECTION " +
    "SUMMARY TABLE TBODY TD TFOOT TH THEAD TR UL"
  ).split(" "),
);
/** Fonts that show a picture in place of a word: `arrow_back`. */
const ICON_FONT = /^["']?(?:Material (?:Icons|Symbols)|Google Material Icons|Fluent\w* Icons)/i;
const ICON_NAME = /^[a-z][a-z0-9_]{2,40}$/;
/** Exponents and numbers of notes in the letters that Unicode has for them: 10⁶ is not 106. */
const RAISED: Record<string, string> = Object.fromEntries(
  [..."0123456789+-−=()ni"].map((c, i) => [c, [..."⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ"][i] ?? c]),
);
const RAISED_TEXT = /^[\d+\-−=()ni]{1,8}$/;
/** Text for screen readers only is clipped to a box of this size, or moved this far out of the page. */
const CLIPPED_PX = 1;
const OFFSCREEN_PX = 2_000;
const MAX_FORMULA_LEVELS = 4;

const isInline = (display: string): boolean => /^(inline|contents|ruby|math$|none)/.test(display);

/** True for an element that takes no place that a reader can see. */
function isOutOfSight(element: Element, style: CSSStyleDeclaration): boolean {
  // Each property that is read costs time, most elements are inline, and most of these properties need a box.
  if (style.display === "inline") return isClipped(element, style);
  // What a search in the page would show (`hidden=until-found`) counts as what can be read.
  if (style.contentVisibility === "hidden" && !element.hasAttribute("hidden")) return true;
  if (/^matrix\(0, 0, 0, 0,/.test(style.transform) || /inset\((50|100)%/.test(style.clipPath)) return true;
  const lengths = [style.marginLeft, style.textIndent];
  if (style.position !== "static") lengths.push(style.left, style.top);
  if (lengths.some((length) => Number.parseFloat(length) <= -OFFSCREEN_PX)) return true;
  return isClipped(element, style);
}

/** True for text that only machines and screen readers get. */
function isClipped(element: Element, style: CSSStyleDeclaration): boolean {
  if (style.position !== "absolute" && style.position !== "fixed") return false;
  if (/rect\((0|1)px,? (0|1)px,? (0|1)px,? (0|1)px\)/.test(style.clip)) return true;
  const { clientWidth, clientHeight } = element as HTMLElement;
  return style.overflow === "hidden" && clientWidth <= CLIPPED_PX && clientHeight <= CLIPPED_PX;
}

/** True for inline boxes with a distance to what stands beside them: labels and buttons, not single letters. */
const isBadge = (style: CSSStyleDeclaration): boolean =>
  /^inline-/.test(style.display) &&
  [style.paddingLeft, style.paddingRight, style.marginLeft, style.marginRight].some((px) => Number.parseFloat(px) > 1);

/** The nodes that are rendered as the content of `element`. */
function renderedChildren(element: Element): Iterable<Node> {
  const shadow = shadowRootOf(element);
  if (shadow) return shadow.childNodes;
  if (element.localName !== "slot") return element.childNodes;
  const assigned = (element as HTMLSlotElement).assignedNodes?.({ flatten: true }) ?? [];
  return assigned.length > 0 ? assigned : element.childNodes;
}

/** A picture of a formula, or its glyphs, which are not text or hidden from screen readers because MathML is there. */
function isTwin(node: Node): boolean {
  // A node of a frame is no `Element` of this window.
  const element = node.nodeType === 1 ? (node as Element) : null;
  if (element && /^(img|svg|script|mjx-math)$/.test(element.localName)) return true;
  if (element?.getAttribute("aria-hidden") === "true") return true;
  return (node.textContent ?? "").trim() === "";
}

/** Each formula by the outermost element that contains nothing else. */
function formulas(root: Document | ShadowRoot): Map<Element, string> {
  const found = new Map<Element, string>();
  for (const math of root.querySelectorAll("math")) {
    let outer: Element = math;
    for (let level = 0; level < MAX_FORMULA_LEVELS; level += 1) {
      const parent = outer.parentElement;
      if (
        !parent ||
        BLOCKS.has(parent.tagName.toUpperCase()) ||
        ![...parent.childNodes].every((n) => n === outer || isTwin(n))
      )
        break;
      outer = parent;
    }
    found.set(outer, mathText(math) || math.getAttribute("alttext") || "");
  }
  return found;
}

export class ShownCopy {
  readonly document: Document;
  private readonly formulas: Map<Element, string>;
  /** How many frames the element that is being copied stands in. */
  private level = 0;

  constructor(
    source: Document,
    private readonly window: Window & typeof globalThis,
  ) {
    this.document = source.implementation.createHTMLDocument(source.title);
    this.formulas = formulas(source);
    const { body } = source;
    if (!body) return;
    for (const { name, value } of body.attributes) this.document.body.setAttribute(name, value);
    this.appendChildren(body, this.document.body, this.styleOf(body));
  }

  private styleOf(element: Element): CSSStyleDeclaration {
    return this.window.getComputedStyle(element);
  }

  private appendChildren(source: Element, target: Node, style: CSSStyleDeclaration): void {
    const shadow = shadowRootOf(source);
    if (shadow) this.addFormulas(shadow);
    for (const child of renderedChildren(source)) this.append(child, target, style);
  }

  private addFormulas(root: Document | ShadowRoot): void {
    for (const [key, text] of formulas(root)) this.formulas.set(key, text);
  }

  /** `style` is that of the element whose text `node` is. */
  private append(node: Node, target: Node, style: CSSStyleDeclaration): void {
    if (node.nodeType === 3) this.appendText(node.nodeValue ?? "", target, style);
    else if (node.nodeType === 1) this.appendElement(node as Element, target);
  }

  private appendText(text: string, target: Node, style: CSSStyleDeclaration): void {
    if (text === " ") {
      target.appendChild(this.document.createTextNode(text));
      return;
    }
    // Children of an invisible element can be visible.
    const word = text.trim();
    if (word !== "" && (/^(hidden|collapse)$/.test(style.visibility) || style.fontSize === "0px")) return;
    if (ICON_NAME.test(word) && ICON_FONT.test(style.fontFamily)) return;
    let shown = text;
    if (/[\n\t\r]| {2}|^ $/.test(text)) {
      if (/^(pre|break-spaces)(?!-line)/.test(style.whiteSpace)) shown = keepLayout(text);
      else if (style.whiteSpace !== "pre-line") shown = text.replace(/[ \t\n\r]+/g, " ");
    }
    target.appendChild(this.document.createTextNode(shown));
  }

  private appendElement(element: Element, target: Node): void {
    const name = element.localName;
    if (SKIPPED.has(name)) return;
    const isFrame = name === "iframe" || name === "frame";
    if ((REPLACED.has(name) && !isFrame) || element.matches(EDITABLE)) {
      target.appendChild(this.document.createTextNode(" "));
      return;
    }
    const style = this.styleOf(element);
    if (style.display === "none") return;
    const formula = this.formulas.get(element);
    if (formula !== undefined) {
      target.appendChild(this.document.createTextNode(` ${formula} `));
      return;
    }
    if (name === "slot") {
      this.appendChildren(element, target, style);
      return;
    }
    if (isOutOfSight(element, style)) return;
    if (isFrame) {
      this.appendFrame(element, target);
      return;
    }
    const raised = name === "sup" ? (element.textContent ?? "").trim() : "";
    if (RAISED_TEXT.test(raised)) {
      target.appendChild(this.document.createTextNode([...raised].map((c) => RAISED[c] ?? c).join("")));
      return;
    }
    const copy = this.copyOf(element, style);
    // A custom element is a unit of its own: its words do not run into those beside it.
    const isUnit = name.includes("-") || isBadge(style);
    if (isUnit) target.appendChild(this.document.createTextNode(" "));
    target.appendChild(copy);
    if (isUnit) target.appendChild(this.document.createTextNode(" "));
    this.appendChildren(element, copy, style);
  }

  /** The text of a page that stands in a frame of its own, as in blogs of Naver and in documentation of Java. */
  private appendFrame(frame: Element, target: Node): void {
    const inner = frameDocument(frame, this.level);
    if (!inner) return;
    this.addFormulas(inner);
    const copy = target.appendChild(this.document.createElement("div"));
    this.level += 1;
    this.appendChildren(inner.body, copy, this.styleOf(inner.body));
    this.level -= 1;
  }

  private copyOf(element: Element, style: CSSStyleDeclaration): Element {
    let copy: Element;
    // Readability drops forms, also one that a whole page stands in; the fields themselves are skipped above.
    const isForm = element.localName === "form" || element.localName === "fieldset";
    if (isForm || (!BLOCKS.has(element.localName.toUpperCase()) && !isInline(style.display))) {
      copy = this.document.createElement("div");
      for (const name of ["id", "class", "role", "itemprop"]) {
        const value = element.getAttribute(name);
        if (value !== null) copy.setAttribute(name, value);
      }
    } else copy = this.document.importNode(element, false);
    // Visibility is decided here, from the style: Readability would decide from these attributes.
    for (const name of ["hidden", "aria-hidden", "style"]) copy.removeAttribute(name);
    return copy;
  }
}

/** The text of `node` with one line per block element; `textContent` would join paragraphs. */
export function blockText(node: Node): string {
  if (node.nodeType === 3) return node.nodeValue ?? "";
  let text = "";
  for (const child of node.childNodes) text += blockText(child);
  return BLOCKS.has((node as Element).tagName) ? `\n${text}\n` : text;
}
