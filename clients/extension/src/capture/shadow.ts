/** Open shadow roots: parts of a page that no search in the document finds. */

const MAX_ROOTS = 200;

/** The document and its open shadow roots, at most `MAX_ROOTS`. */
export function openRoots(document: Document): (Document | ShadowRoot)[] {
  const roots: (Document | ShadowRoot)[] = [document];
  for (let i = 0; i < roots.length && roots.length < MAX_ROOTS; i += 1) {
    for (const element of (roots[i] as Document | ShadowRoot).querySelectorAll("*")) {
      if (element.shadowRoot) roots.push(element.shadowRoot);
    }
  }
  return roots;
}

export const isShadowRoot = (root: Node): root is ShadowRoot => root.nodeType === 11 && "host" in root;
