/** The lines of a text, each in parts that are marked or not. */
import type { Span } from "@trailmind/api";

export type MarkedLine = { text: string; kind: string | null }[];

/** Empty lines are left out. Where spans overlap, the kind of the last one shows. */
export function markedLines(text: string, spans: readonly (Span & { kind: string })[]): MarkedLine[] {
  const lines: MarkedLine[] = [];
  let from = 0;
  for (const line of text.split("\n")) {
    const to = from + line.length;
    if (line.trim()) lines.push(partsOf(text, from, to, spans));
    from = to + 1;
  }
  return lines;
}

function partsOf(text: string, from: number, to: number, spans: readonly (Span & { kind: string })[]): MarkedLine {
  const inside = spans.filter((span) => span.start < to && span.end > from);
  const borders = [from, to, ...inside.flatMap((span) => [Math.max(from, span.start), Math.min(to, span.end)])];
  const sorted = [...new Set(borders)].sort((a, b) => a - b);
  return sorted.slice(0, -1).map((start, i) => ({
    text: text.slice(start, sorted[i + 1]),
    kind: inside.findLast((span) => span.start <= start && span.end > start)?.kind ?? null,
  }));
}
