import { useEffect, useEffectEvent } from "react";

/** Whether a key press belongs to a form field. */
export function isTyping(event: KeyboardEvent): boolean {
  return (
    event.target instanceof HTMLElement && event.target.closest("input, textarea, select, [contenteditable]") !== null
  );
}

/** Calls the latest `listener` for every key pressed anywhere in the window except in form fields. Subscribes once. */
export function useKeyDown(listener: (event: KeyboardEvent) => void): void {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (!isTyping(event)) listener(event);
  });
  useEffect(() => {
    const forward = (event: KeyboardEvent) => onKey(event);
    addEventListener("keydown", forward);
    return () => removeEventListener("keydown", forward);
  }, []);
}
