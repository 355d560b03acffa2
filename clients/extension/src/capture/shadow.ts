/** Open shadow roots: parts of a page that no search in the document finds. */

const MAX_ROOTS = 200;
/** `XPathResult.ORDERED_NODE_SNAPSHOT_TYPE` */
const SNAPSHOT = 7;

/**
 * The elements in `root` that may have a shadow root: the custom elements of a document, all elements of a shadow root,
 * where XPath does not work. A search for every element would make the browser create an object for each, in every page.
 */
function possibleHosts(root: Document | ShadowRoot): Element[] {
  if (root.nodeType !== 9) return [...root.querySelectorAll("*")];
  const document = root as Document;
  if (typeof document.evaluate !== "function") return [...document.querySelectorAll("*")];
  const found = document.evaluate("//*[contains(local-name(), '-')]", document, null, SNAPSHOT);
  return Array.from({ length: found.snapshotLength }, (_, i) => found.snapshotItem(i) as Element);
}

/** The document and the open shadow roots of its custom elements, at most `MAX_ROOTS`. */
export function openRoots(document: Document): (Document | ShadowRoot)[] {
  const roots: (Document | ShadowRoot)[] = [document];
  for (let i = 0; i < roots.length && roots.length < MAX_ROOTS; i += 1) {
    for (const element of possibleHosts(roots[i] as Document | ShadowRoot)) {
      if (element.shadowRoot) roots.push(element.shadowRoot);
    }
  }
  return roots;
}

/** The document and every open shadow root in it, also of elements that are not custom. */
export function allOpenRoots(document: Document): (Document | ShadowRoot)[] {
  const roots: (Document | ShadowRoot)[] = [document];
  for (let i = 0; i < roots.length && roots.length < MAX_ROOTS; i += 1) {
    for (const element of (roots[i] as Document | ShadowRoot).querySelectorAll("*")) {
      if (element.shadowRoot) roots.push(element.shadowRoot);
    }
  }
  return roots;
}

export const isShadowRoot = (root: Node): root is ShadowRoot => root.nodeType === 11 && "host" in root;
