/** A title being edited: Enter or leaving the field keeps it, Escape does not. */

import { useEffect, useRef } from "preact/hooks";

import { useUi } from "../context";

export function TitleField({ title, onDone }: { title: string; onDone: (title: string) => void }) {
  const { messages } = useUi();
  const field = useRef<HTMLInputElement>(null);
  const isDone = useRef(false);
  useEffect(() => field.current?.select(), []);
  const done = (value: string) => {
    // Enter blurs the field, which would finish a second time.
    if (isDone.current) return;
    isDone.current = true;
    onDone(value.trim());
  };
  return (
    <input
      ref={field}
      class="title-field"
      aria-label={messages.recording.title}
      maxLength={100}
      defaultValue={title}
      onBlur={(event) => done(event.currentTarget.value)}
      onKeyDown={(event) => {
        // An Enter that ends a Hangul composition is not an Enter.
        if (event.isComposing) return;
        if (event.key === "Enter") done(event.currentTarget.value);
        if (event.key === "Escape") {
          event.preventDefault();
          done(title);
        }
      }}
    />
  );
}
