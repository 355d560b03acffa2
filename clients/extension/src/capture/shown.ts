/**
 * A copy of what a document shows, for the extraction of its text: with open shadow roots in their place, without what
 * a stylesheet hides, without readings beside the words (ruby), and with each formula once.
 */

import { mathText } from "./math";

/** Never part of the text. What the user types is not recorded. */
const SKIPPED = new Set(
  "SCRIPT STYLE TEMPLATE NOSCRIPT RT RP RTC TEXTAREA SELECT DATALIST INPUT OBJECT EMBED CANVAS IFRAME VIDEO AUDIO".split(
    " ",
  ),
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
/** Text for screen readers only is clipped to a box of this size, or moved this far out of the page. */
const CLIPPED_PX = 1;
const OFFSCREEN_PX = 2_000;
const MAX_FORMULA_LEVELS = 4;

const isInline = (display: string): boolean => /^(inline|contents|ruby|math$|none)/.test(display);

/** True for text that only machines and screen readers get. */
function isClipped(element: Element, style: CSSStyleDeclaration): boolean {
  if (style.position !== "absolute" && style.position !== "fixed") return false;
  if (/inset\((50|100)%/.test(style.clipPath)) return true;
  if (/rect\((0|1)px,? (0|1)px,? (0|1)px,? (0|1)px\)/.test(style.clip)) return true;
  const { clientWidth, clientHeight } = element as HTMLElement;
  if (style.overflow === "hidden" && clientWidth <= CLIPPED_PX && clientHeight <= CLIPPED_PX) return true;
  return [style.left, style.top, style.textIndent].some((length) => Number.parseFloat(length) <= -OFFSCREEN_PX);
}

/** The nodes that are rendered as the content of `element`. */
function renderedChildren(element: Element): Iterable<Node> {
  if (element.shadowRoot) return element.shadowRoot.childNodes;
  if (element.localName !== "slot") return element.childNodes;
  const assigned = (element as HTMLSlotElement).assignedNodes?.({ flatten: true }) ?? [];
  return assigned.length > 0 ? assigned : element.childNodes;
}

/** A picture of a formula, or its glyphs, which are not text or hidden from screen readers because MathML is there. */
function isTwin(node: Node): boolean {
  if (!(node instanceof Element)) return (node.textContent ?? "").trim() === "";
  if (/^(img|svg|script|mjx-math)$/.test(node.localName) || node.getAttribute("aria-hidden") === "true") return true;
  return (node.textContent ?? "").trim() === "";
}

/** Each formula by the outermost element that contains nothing else. */
function formulas(root: Document | ShadowRoot): Map<Element, string> {
  const found = new Map<Element, string>();
  for (const math of root.querySelectorAll("math")) {
    let outer: Element = math;
    for (let level = 0; level < MAX_FORMULA_LEVELS; level += 1) {
      const parent = outer.parentElement;
      if (!parent || BLOCKS.has(parent.tagName) || ![...parent.childNodes].every((n) => n === outer || isTwin(n)))
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

  constructor(
    source: Document,
    private readonly window: Window & typeof globalThis,
  ) {
    this.document = source.implementation.createHTMLDocument(source.title);
    this.formulas = formulas(source);
    const { body } = source;
    if (!body) return;
    for (const { name, value } of body.attributes) this.document.body.setAttribute(name, value);
    this.appendChildren(body, this.document.body, true);
  }

  private appendChildren(source: Element, target: Node, showsText: boolean): void {
    if (source.shadowRoot) for (const [key, text] of formulas(source.shadowRoot)) this.formulas.set(key, text);
    for (const child of renderedChildren(source)) this.append(child, target, showsText);
  }

  private append(node: Node, target: Node, showsText: boolean): void {
    if (node.nodeType === 3) {
      if (showsText) target.appendChild(this.document.importNode(node, false));
      return;
    }
    if (node.nodeType !== 1) return;
    const element = node as Element;
    if (SKIPPED.has(element.tagName) || element.matches(EDITABLE)) return;
    const style = this.window.getComputedStyle(element);
    if (style.display === "none") return;
    const formula = this.formulas.get(element);
    if (formula !== undefined) {
      target.appendChild(this.document.createTextNode(` ${formula} `));
      return;
    }
    if (element.localName === "slot") {
      this.appendChildren(element, target, showsText);
      return;
    }
    if (isClipped(element, style)) return;
    const copy = this.copyOf(element, style);
    const isCustom = element.localName.includes("-");
    // A custom element is a unit of its own: its words do not run into those beside it.
    if (isCustom) target.appendChild(this.document.createTextNode(" "));
    target.appendChild(copy);
    if (isCustom) target.appendChild(this.document.createTextNode(" "));
    // Children of an invisible element can be visible.
    this.appendChildren(element, copy, style.visibility !== "hidden" && style.visibility !== "collapse");
  }

  private copyOf(element: Element, style: CSSStyleDeclaration): Element {
    let copy: Element;
    // Readability drops forms, also one that a whole page stands in; the fields themselves are skipped above.
    const isForm = element.tagName === "FORM" || element.tagName === "FIELDSET";
    if (isForm || (!BLOCKS.has(element.tagName) && !isInline(style.display))) {
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
