"""Charts as inline SVG. Colours are classes, which the page's style sheet sets for light, dark and print."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

_WIDTH, _HALF_PX, _LEFT, _RIGHT = 640, 90, 44, 12
_NUM_BINS = 20
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LABEL_PX, _BAR_PX, _ROW_PX = 210, 340, 24


def score_chart(
    title: str, before: Sequence[float], after: Sequence[float], reference: Sequence[float], names: tuple[str, str, str]
) -> str:
    """Two histograms of scores in 0..1, the one after upwards and the one before downwards, as shares of each.

    `reference` is drawn as a line over the one after. `names` are those of the three.
    """
    shares_before, shares_after, shares_reference = _shares(before), _shares(after), _shares(reference)
    highest = max((*shares_before, *shares_after, *shares_reference, 0.01))
    bin_px = (_WIDTH - _LEFT - _RIGHT) / _NUM_BINS
    middle = _HALF_PX + 22
    shapes = []
    for number, (old, new) in enumerate(zip(shares_before, shares_after, strict=True)):
        x = _LEFT + number * bin_px
        up, down = new / highest * _HALF_PX, old / highest * _HALF_PX
        shapes.append(_bar("after", x, middle - up, bin_px - 1, up))
        shapes.append(_bar("before", x, middle, bin_px - 1, down))
    if reference:
        points = " ".join(
            f"{_LEFT + (number + 0.5) * bin_px:.1f},{middle - share / highest * _HALF_PX:.1f}"
            for number, share in enumerate(shares_reference)
        )
        shapes.append(f'<polyline class="reference" points="{points}"/>')
        shapes.append(f'<text x="{_WIDTH - _RIGHT}" y="14" text-anchor="end">┄ {escape(names[2])}</text>')
    bottom = middle + _HALF_PX
    for tick in _TICKS:
        x = _LEFT + tick * (_WIDTH - _LEFT - _RIGHT)
        shapes.append(f'<path class="grid" d="M{x:.1f} 22V{bottom}"/>')
        shapes.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>')
    shapes.append(f'<path class="axis" d="M{_LEFT} {middle}H{_WIDTH - _RIGHT}"/>')
    shapes.append(f'<text class="after-name" x="{_LEFT}" y="14">▲ {escape(names[1])}</text>')
    shapes.append(f'<text class="before-name" x="{_LEFT}" y="{bottom + 34}">▼ {escape(names[0])}</text>')
    shapes.append(f'<text x="{_LEFT - 6}" y="32" text-anchor="end">{highest:.0%}</text>')
    return _svg(title, bottom + 42, shapes)


def bar_chart(title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars: (name, value, the value as text)."""
    highest = max((value for _, value, _ in rows), default=0.0) or 1.0
    shapes = []
    for number, (name, value, text) in enumerate(rows):
        y = number * _ROW_PX
        width = value / highest * _BAR_PX
        shapes.append(f'<text x="{_LABEL_PX - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>')
        shapes.append(_bar("after", _LABEL_PX, y + 4, width, _ROW_PX - 8))
        shapes.append(f'<text x="{_LABEL_PX + width + 6:.1f}" y="{y + 16}">{escape(text)}</text>')
    return _svg(title, len(rows) * _ROW_PX, shapes)


def _shares(values: Sequence[float]) -> list[float]:
    """The share of the values in each bin; a value of 1 is in the last."""
    counts = [0] * _NUM_BINS
    for value in values:
        counts[min(max(int(value * _NUM_BINS), 0), _NUM_BINS - 1)] += 1
    return [count / len(values) if values else 0.0 for count in counts]


def _bar(name: str, x: float, y: float, width: float, height: float) -> str:
    if height <= 0 or width <= 0:
        return ""
    return f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _svg(title: str, height: float, shapes: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label={quoteattr(title)}>'
        f"{''.join(shapes)}</svg>"
    )
