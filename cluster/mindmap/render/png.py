"""An SVG image as PNG, through resvg; `python -m cluster.mindmap.render.png` draws one in a process of its own.

resvg holds Python's global lock while it draws, so that in a server a thread would stop every other request.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

#: The longest side of a PNG. Four bytes are needed for each pixel, several times over: 4,000 × 4,000 pixels take about
#: 250 MB, while the map of a long session would be drawn on 14,000 × 14,000.
MAX_SIDE_PX = 4000

_FONTS = Path(__file__).parent / "fonts"
_SIZE = re.compile(r'<svg [^>]{0,400}?\bwidth="(\d{1,9})" height="(\d{1,9})"')


def to_png(svg: str, font_files: Sequence[str] = (), width: int | None = None) -> bytes:
    """`svg` as PNG bytes, `width` pixels wide if given; smaller if a side would be longer than `MAX_SIDE_PX`.

    Uses the bundled Pretendard fonts (Latin and Hangul) unless `font_files` are given. Other characters, such as
    Hanja, need fonts of the system. Raises `ValueError` for an SVG that does not begin with its size in pixels.
    """
    import resvg_py

    found = _SIZE.match(svg)
    if found is None:
        raise ValueError("the image has no size")
    size = int(found[1]), int(found[2])
    files = list(font_files) or [str(path) for path in sorted(_FONTS.glob("*.otf"))]
    png_width, png_height = bounded_side(*size, width)
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, font_files=files, width=png_width, height=png_height))


def bounded_side(svg_width: int, svg_height: int, width: int | None) -> tuple[int | None, int | None]:
    """Width or height of the PNG, the other side follows from it: the `width` given, or `MAX_SIDE_PX` if necessary."""
    chosen = width if width is not None else svg_width
    height = max(1, svg_height) * chosen / max(1, svg_width)
    if height <= MAX_SIDE_PX:
        return max(1, min(chosen, MAX_SIDE_PX)), None
    # The other side is at least one pixel long; resvg refuses an empty image.
    return (None, MAX_SIDE_PX) if chosen * MAX_SIDE_PX >= height else (1, None)


def main() -> None:
    """Read an SVG from standard input, write its PNG to standard output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int)
    parser.add_argument("--max-memory-bytes", type=int)
    options = parser.parse_args()
    if options.max_memory_bytes is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (options.max_memory_bytes, options.max_memory_bytes))
    sys.stdout.buffer.write(to_png(sys.stdin.buffer.read().decode(), width=options.width))


if __name__ == "__main__":
    main()
