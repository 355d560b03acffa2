import { type RefObject, useLayoutEffect, useState } from "react";

/** The content size of an element in CSS pixels, known before the first paint; 0 × 0 before it is mounted. */
export function useElementSize(element: RefObject<HTMLElement | null>): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    if (!element.current) return;
    const update = (width: number, height: number) =>
      setSize((old) => (old.width === width && old.height === height ? old : { width, height }));
    update(element.current.clientWidth, element.current.clientHeight);
    const observer = new ResizeObserver(
      ([entry]) => entry && update(entry.contentRect.width, entry.contentRect.height),
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return size;
}
