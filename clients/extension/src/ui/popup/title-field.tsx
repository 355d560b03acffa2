/** Edits a title. Enter or leaving the field saves it, Escape discards the change. */

import { useEffect, useRef } from "preact/hooks";

import { useUi } from "../context";
import "./title-field.css";

export function TitleField({ title, onDone }: { title: string; onDone: (title: string) => void }) {
  const { messages } = useUi();
  const field = useRef<HTMLInputElement>(null);
  const isDone = useRef(false);
  useEffect(() => field.current?.select(), []);
  const done = (value: string) => {
    // Enter removes the field, and its blur event would call `onDone` again.
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
        // Enter also confirms a Hangul composition, which does not end the edit.
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
