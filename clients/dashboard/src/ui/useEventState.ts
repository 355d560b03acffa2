import { type RefObject, useCallback, useRef, useState } from "react";

/**
 * State that handlers of events also read and write at once, through the ref: on a busy page several events come before
 * the next render, and the handlers of the last render would not know what the events before them did.
 */
export function useEventState<T>(initial: T): [value: T, now: RefObject<T>, set: (value: T) => void] {
  const [value, setValue] = useState(initial);
  const now = useRef(initial);
  const set = useCallback((next: T) => {
    now.current = next;
    setValue(next);
  }, []);
  return [value, now, set];
}
