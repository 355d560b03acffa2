"""An SVG image as PNG, through resvg; `python -m cluster.mindmap.render.png` draws one in a process of its own.

resvg holds Python's global lock while it draws, so that in a server a thread would stop every other request.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import regex

#: The longest side of a PNG. Four bytes are needed for each pixel, several times over: 4,000 × 4,000 pixels take about
#: 250 MB, while the map of a long session would be drawn on 14,000 × 14,000.
MAX_SIDE_PX = 4000

#: Pretendard in two weights: Latin, Greek, Cyrillic and Hangul.
BUNDLED_FONTS = tuple(str(path) for path in sorted((Path(__file__).parent / "fonts").glob("*.otf")))
_SIZE = re.compile(r'<svg [^>]{0,400}?\bwidth="(\d{1,9})" height="(\d{1,9})"')


@dataclass(frozen=True, slots=True)
class Fonts:
    """The font files a picture is drawn with, and whether the fonts of the system may complete them."""

    files: tuple[str, ...] = BUNDLED_FONTS
    with_system_fonts: bool = True


def to_png(
    svg: str, font_files: Sequence[str] = (), width: int | None = None, *, use_system_fonts: bool = True
) -> bytes:
    """`svg` as PNG bytes, `width` pixels wide if given; smaller if a side would be longer than `MAX_SIDE_PX`.

    Uses the bundled Pretendard fonts (Latin and Hangul) unless `font_files` are given. Other characters, such as
    Hanja, need fonts of the system, which the container image has; where they are missing, a line at the bottom of the
    picture names the scripts. Raises `ValueError` for an SVG that does not begin with its size in pixels.
    """
    found = _SIZE.match(svg)
    if found is None:
        raise ValueError("the image has no size")
    size = int(found[1]), int(found[2])
    png_width, png_height = bounded_side(*size, width)
    fonts = Fonts(tuple(font_files) or BUNDLED_FONTS, use_system_fonts)
    missing = missing_scripts(svg, fonts)
    if EMOJI in missing:
        # resvg would draw the letters beside an emoji as boxes too.
        svg = _EMOJI_SEQUENCE.sub("", svg)
    if missing:
        svg = _with_note(svg, f"No font for: {', '.join(missing)}")
    return _draw(svg, fonts, png_width, png_height)


def _draw(svg: str, fonts: Fonts, width: int | None = None, height: int | None = None) -> bytes:
    import resvg_py

    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            font_files=list(fonts.files),
            skip_system_fonts=not fonts.with_system_fonts,
            width=width,
            height=height,
        )
    )


#: A letter of each script, with which its fonts are looked for. Latin and Hangul are bundled.
_PROBES = (
    ("Greek", "Ω"), ("Cyrillic", "Ж"), ("Armenian", "Ա"), ("Hebrew", "ש"), ("Arabic", "ع"), ("Devanagari", "क"),
    ("Bengali", "ক"), ("Gurmukhi", "ਕ"), ("Gujarati", "ક"), ("Oriya", "କ"), ("Tamil", "க"), ("Telugu", "క"),
    ("Kannada", "ಕ"), ("Malayalam", "ക"), ("Sinhala", "ක"), ("Thai", "ก"), ("Lao", "ກ"), ("Tibetan", "ཀ"),
    ("Myanmar", "က"), ("Georgian", "ა"), ("Ethiopic", "አ"), ("Khmer", "ក"), ("Mongolian", "ᠠ"), ("Hiragana", "あ"),
    ("Katakana", "ア"), ("Han", "中"),
)  # fmt: skip
EMOJI: Final = "emoji"
_EMOJI = "🧪"  # Text fonts such as DejaVu have some older emoji.
_EMOJI_SEQUENCE = re.compile(
    "[\U0001f000-\U0001faff][\ufe0f\u200d\u2640\u2642\u2695-\u26ff\u2708\u2764\U0001f000-\U0001faff\U000e0020-\U000e007f]*"
)
_NO_CHARACTER = "\u0378"  # Not assigned: every font draws its sign for a missing character.


def missing_scripts(text: str, fonts: Fonts | None = None) -> tuple[str, ...]:
    """The scripts of `text` for which there is no font: their characters would be drawn as boxes."""
    used = fonts or Fonts()
    missing = [name for name, probe in _PROBES if _letters_of(name).search(text) and not _has_font(probe, used)]
    if _EMOJI_SEQUENCE.search(text) and not _has_font(_EMOJI, used):
        missing.append(EMOJI)
    return tuple(missing)


@cache
def _letters_of(script: str) -> regex.Pattern[str]:
    return regex.compile(rf"\p{{{script}}}")


@cache
def _has_font(character: str, fonts: Fonts) -> bool:
    return _picture_of(character, fonts) != _picture_of(_NO_CHARACTER, fonts)


def _picture_of(character: str, fonts: Fonts) -> bytes:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40" font-family="Pretendard, sans-serif">'
    return _draw(f'{svg}<text x="8" y="30" font-size="20">{character}</text></svg>', fonts)


_VIEW_BOX = re.compile(r'viewBox="(-?[\d.]+) (-?[\d.]+) ([\d.]+) ([\d.]+)"')


def _with_note(svg: str, note: str) -> str:
    """`svg` with a line of text at its lower left."""
    box = _VIEW_BOX.search(svg[:400])
    left, bottom = (float(box[1]), float(box[2]) + float(box[4])) if box else (0.0, 0.0)
    line = f'<text x="{left + 10:.1f}" y="{bottom - 10:.1f}" font-size="12" fill="#808080">{note}</text>'
    return svg.removesuffix("</svg>") + line + "</svg>"


def scaled_width(svg: str, scale: float) -> int:
    """The width in pixels of `svg` drawn `scale` times as large. Raises `ValueError` for an SVG without a size."""
    found = _SIZE.match(svg)
    if found is None:
        raise ValueError("the image has no size")
    return round(int(found[1]) * scale)


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
