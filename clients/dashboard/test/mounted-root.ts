import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, vi } from "vitest";
import { loadMessages, setLanguage } from "~/i18n";

export interface MountedRoot {
  root: Root;
  container: HTMLElement;
}

/** An element in the document with a root of React, new for each test of the file; the language is English again then. */
export function mountedRoot(): MountedRoot {
  const mounted = {} as MountedRoot;
  beforeEach(async () => {
    await loadMessages();
    mounted.container = document.body.appendChild(document.createElement("div"));
    mounted.root = createRoot(mounted.container);
  });
  afterEach(async () => {
    mounted.root.unmount();
    mounted.container.remove();
    vi.unstubAllGlobals();
    await setLanguage("en");
  });
  return mounted;
}

/** Gives every element the size of a map on a screen in each test of the file: without a layout, elements have none. */
export function sizedElements(): void {
  beforeEach(() => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(1000);
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(700);
    return () => vi.restoreAllMocks();
  });
}
