import { timeOfDay } from "@trailmind/api";
import { useEffect, useRef, useState } from "react";
import { useLanguage, useMessages } from "~/i18n";
import { usePalette } from "~/map/usePalette";
import { useEventState } from "~/ui/useEventState";
import type { Range, Row } from "./timeline-rows";
import "./TimelineMinimap.css";

/** The whole session as a strip of coloured time. A click or an arrow key jumps, a drag filters. */
export function TimelineMinimap({
  rows,
  span,
  range,
  onRange,
  onJump,
}: {
  rows: readonly Row[];
  span: Range;
  range: Range | null;
  onRange: (range: Range | null) => void;
  onJump: (atMs: number) => void;
}) {
  const t = useMessages();
  const language = useLanguage();
  const tones = usePalette();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [brush, brushNow, setBrush] = useEventState<Range | null>(null);
  const [cursorMs, setCursorMs] = useState(span.fromMs);
  const length = span.toMs - span.fromMs;

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const watch = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context || width === 0) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    element.width = width * ratio;
    element.height = 28 * ratio;
    context.scale(ratio, ratio);
    const x = (ms: number) => ((ms - span.fromMs) / length) * width;
    for (const row of rows) {
      if (row.kind !== "visit") continue;
      context.fillStyle = row.hue === null ? tones.line : (tones.hue[row.hue] ?? tones.line);
      context.globalAlpha = row.hue === null ? 0.5 : 1;
      context.fillRect(x(row.atMs), 0, Math.max(1.5, x(Date.parse(row.visit.ended_at)) - x(row.atMs) - 0.5), 28);
    }
    const selection = brush ?? range;
    if (selection) {
      context.globalAlpha = 0.72;
      context.fillStyle = tones.bg;
      context.fillRect(0, 0, x(selection.fromMs), 28);
      context.fillRect(x(selection.toMs), 0, width - x(selection.toMs), 28);
    }
  }, [rows, span, range, brush, width, tones, length]);

  const timeAt = (event: React.PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return span.fromMs + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * length;
  };
  return (
    <div className="minimap">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="slider"
        aria-label={t.timeline.strip}
        aria-valuemin={0}
        aria-valuemax={Math.round(length / 1000)}
        aria-valuenow={Math.round((cursorMs - span.fromMs) / 1000)}
        aria-valuetext={timeOfDay(new Date(cursorMs), language)}
        onPointerDown={(e) => {
          e.currentTarget.setPointerCapture(e.pointerId);
          setBrush({ fromMs: timeAt(e), toMs: timeAt(e) });
        }}
        onPointerMove={(e) => brushNow.current && setBrush({ ...brushNow.current, toMs: timeAt(e) })}
        onPointerUp={() => {
          const brushed = brushNow.current;
          if (!brushed) return;
          const fromMs = Math.min(brushed.fromMs, brushed.toMs);
          const toMs = Math.max(brushed.fromMs, brushed.toMs);
          setBrush(null);
          if ((toMs - fromMs) / length > 0.015) onRange({ fromMs, toMs });
          else {
            onRange(null);
            setCursorMs(fromMs);
            onJump(fromMs);
          }
        }}
        onKeyDown={(e) => {
          const steps: Record<string, number> = {
            ArrowLeft: -0.05,
            ArrowRight: 0.05,
            PageUp: -0.2,
            PageDown: 0.2,
            Home: -1,
            End: 1,
          };
          const move = steps[e.key];
          if (move === undefined) return;
          e.preventDefault();
          const to = Math.max(span.fromMs, Math.min(span.toMs, cursorMs + move * length));
          setCursorMs(to);
          onJump(to);
        }}
      />
      <div className="minimap-ends small muted tnum">
        <span>{timeOfDay(new Date(span.fromMs), language)}</span>
        <span>{timeOfDay(new Date(span.toMs), language)}</span>
      </div>
    </div>
  );
}
