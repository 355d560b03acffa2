import { type ReactNode, useRef, useState } from "react";
import "./Split.css";

const KEY = "trailmind.split";
const [LEAST, MOST, AT_FIRST] = [24, 70, 38];
const clamp = (percent: number) => Math.min(MOST, Math.max(LEAST, percent));

function storedPercent(): number {
  try {
    return clamp(Number(localStorage.getItem(KEY)) || AT_FIRST);
  } catch {
    return AT_FIRST;
  }
}

/** Two panes with a divider, which pointer and arrow keys move. Its position is stored. */
export function Split({ label, left, right }: { label: string; left: ReactNode; right: ReactNode }) {
  const [percent, setPercent] = useState(storedPercent);
  const box = useRef<HTMLDivElement>(null);
  const move = (next: number) => {
    setPercent(clamp(next));
    try {
      localStorage.setItem(KEY, String(Math.round(clamp(next))));
    } catch {
      // Without storage the width lasts until the page is left.
    }
  };
  return (
    <div ref={box} className="split" style={{ gridTemplateColumns: `${percent}% 1px minmax(0, 1fr)` }}>
      {left}
      <div
        className="divider"
        role="separator"
        tabIndex={0}
        aria-label={label}
        aria-orientation="vertical"
        aria-valuenow={Math.round(percent)}
        aria-valuemin={LEAST}
        aria-valuemax={MOST}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={(event) => {
          const bounds = box.current?.getBoundingClientRect();
          if (bounds && event.currentTarget.hasPointerCapture(event.pointerId))
            move(((event.clientX - bounds.left) / bounds.width) * 100);
        }}
        onDoubleClick={() => move(AT_FIRST)}
        onKeyDown={(event) => {
          const by = { ArrowLeft: -2, ArrowRight: 2, Home: -100, End: 100 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          move(percent + by);
        }}
      />
      {right}
    </div>
  );
}
