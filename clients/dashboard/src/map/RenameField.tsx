/** The text field in place of a label on the map. It follows the label while the map moves. */
import { type RefObject, useLayoutEffect, useRef, useState } from "react";
import { useMessages } from "~/i18n";
import { uncoveredSize } from "./camera";
import type { MapHandle } from "./map-props";
import "./RenameField.css";

const MAX_LABEL_CHARS = 80;
const MIN_WIDTH_PX = 140;

export function RenameField({
  id,
  label,
  handle,
  onEnd,
}: {
  id: string;
  label: string;
  handle: RefObject<MapHandle | null>;
  onEnd: (label: string | null) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    handle.current?.show(id);
    let frame = 0;
    const follow = () => {
      const element = box.current;
      const rect = handle.current?.rectOf(id);
      const stage = element?.parentElement;
      if (element && stage && rect) {
        // The panel beside the map must not cover the field.
        const free = uncoveredSize(stage, { width: stage.clientWidth, height: stage.clientHeight });
        const width = Math.max(MIN_WIDTH_PX, rect.width + 28);
        const anchor = {
          left: rect.x - 9,
          center: rect.x + (rect.width - width) / 2,
          right: rect.x + rect.width + 9 - width,
        };
        const left = Math.max(4, Math.min(anchor[rect.align], free.width - width - 4));
        element.style.transform = `translate(${left}px, ${rect.y + rect.height / 2}px) translateY(-50%)`;
        element.style.width = `${width}px`;
        element.style.fontSize = `${Math.max(13, rect.fontSize)}px`;
        element.style.opacity = "1";
      }
      frame = requestAnimationFrame(follow);
    };
    follow();
    return () => cancelAnimationFrame(frame);
  }, [id, handle]);
  return (
    <div ref={box} className="map-rename" style={{ opacity: 0 }}>
      <LabelInput label={label} onEnd={onEnd} />
    </div>
  );
}

/** A field for a label: Enter and leaving it save, Escape does not. */
export function LabelInput(props: { label: string; name?: string; onEnd: (label: string | null) => void }) {
  const { label, onEnd } = props;
  const t = useMessages();
  const [draft, setDraft] = useState(label);
  const isDone = useRef(false);
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    field.current?.focus({ preventScroll: true });
    field.current?.select();
    // The focus returns to the map or the row, so that the keys go on from there.
    return () => before?.focus({ preventScroll: true });
  }, []);
  const end = (isKept: boolean) => {
    if (isDone.current) return;
    isDone.current = true;
    const text = draft.trim();
    onEnd(isKept && text && text !== label ? text : null);
  };
  return (
    <input
      ref={field}
      className="label-input"
      aria-label={props.name ?? t.edit.label}
      maxLength={MAX_LABEL_CHARS}
      value={draft}
      onChange={(e) => setDraft(e.target.value)}
      onBlur={() => end(true)}
      onKeyDown={(e) => {
        e.stopPropagation();
        // Enter that ends the composition of Hangul or Kana does not end the renaming.
        if (e.key === "Enter" && !e.nativeEvent.isComposing) end(true);
        if (e.key === "Escape") end(false);
      }}
      onPointerDown={(e) => e.stopPropagation()}
      onClick={(e) => e.stopPropagation()}
      onDoubleClick={(e) => e.stopPropagation()}
    />
  );
}
