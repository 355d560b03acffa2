/** Parts of a page that no search in the document finds: shadow roots, and frames that the page's own text stands in. */

const MAX_ROOTS = 200;
/** `XPathResult.ORDERED_NODE_SNAPSHOT_TYPE` */
const SNAPSHOT = 7;
const MAX_FRAME_LEVELS = 3;
/** A smaller part of the window is an advert or a player beside the text, not the text. */
const MIN_FRAME_PART = 1 / 3;

export type Root = Document | ShadowRoot;

type Dom = { openOrClosedShadowRoot(element: Element): ShadowRoot | null };

/** The shadow root of `element`; that of a custom element also if it is closed. */
export function shadowRootOf(element: Element): ShadowRoot | null {
  if (element.shadowRoot || !element.localName.includes("-")) return element.shadowRoot;
  // Scripts of a page have no access to closed roots, content scripts have it in Chrome.
  const { dom } = (globalThis as { chrome?: { dom?: Dom } }).chrome ?? {};
  try {
    return dom?.openOrClosedShadowRoot(element) ?? null;
  } catch {
    return null;
  }
}

/** The document in a frame of the page's own origin that takes a large part of the window, else null. */
export function frameDocument(frame: Element, level = 0): Document | null {
  const { contentDocument, clientWidth, clientHeight } = frame as HTMLIFrameElement;
  const { innerWidth = 0, innerHeight = 0 } = frame.ownerDocument.defaultView ?? {};
  const isLarge = clientWidth * clientHeight >= innerWidth * innerHeight * MIN_FRAME_PART;
  return isLarge && level < MAX_FRAME_LEVELS && contentDocument?.body ? contentDocument : null;
}

/**
 * The elements in `root` that may have a shadow root: the custom elements of a document, all elements of a shadow root,
 * where XPath does not work. A search for every element would make the browser create an object for each, in every page.
 */
function possibleHosts(root: Root): Element[] {
  if (root.nodeType !== 9) return [...root.querySelectorAll("*")];
  const document = root as Document;
  if (typeof document.evaluate !== "function") return [...document.querySelectorAll("*")];
  const found = document.evaluate("//*[contains(local-name(), '-')]", document, null, SNAPSHOT);
  return Array.from({ length: found.snapshotLength }, (_, i) => found.snapshotItem(i) as Element);
}

/** The document, the shadow roots in it that `hostsIn` finds, and its large frames with theirs, at most `MAX_ROOTS`. */
function rootsOf(document: Document, hostsIn: (root: Root) => Iterable<Element>): Root[] {
  const roots: Root[] = [document];
  const levels = new Map<Document, number>([[document, 0]]);
  for (let i = 0; i < roots.length && roots.length < MAX_ROOTS; i += 1) {
    const root = roots[i] as Root;
    for (const element of hostsIn(root)) {
      const shadow = shadowRootOf(element);
      if (shadow) roots.push(shadow);
    }
    const level = levels.get(root.nodeType === 9 ? (root as Document) : (root.ownerDocument as Document)) ?? 0;
    for (const frame of root.querySelectorAll("iframe, frame")) {
      const inner = frameDocument(frame, level);
      if (!inner || levels.has(inner)) continue;
      levels.set(inner, level + 1);
      roots.push(inner);
    }
  }
  return roots;
}

/** The document, the shadow roots of its custom elements, and its large frames. */
export const openRoots = (document: Document): Root[] => rootsOf(document, possibleHosts);

/** As `openRoots`, with the shadow roots of elements that are not custom. */
export const allOpenRoots = (document: Document): Root[] => rootsOf(document, (root) => root.querySelectorAll("*"));

export const isShadowRoot = (root: Node): root is ShadowRoot => root.nodeType === 11 && "host" in root;
