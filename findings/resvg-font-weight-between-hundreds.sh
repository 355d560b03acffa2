#!/usr/bin/env bash
# resvg: a font weight that is no multiple of 100 is drawn as 400, also 750 and 850.
#
# Versions:    resvg-py 0.5.0 (resvg), fonts of matplotlib 3.11.0 (DejaVu Sans, regular and bold).
# Expectation: CSS Fonts 4 (the `font-weight` property) allows every number from 1 to 1000; without a face of that weight,
#              the nearest is taken: above 500 a bolder one first. So 650 and 750 are as bold as 700 where a family has
#              regular and bold, as in browsers.
# Behaviour:   exactly 100, 200, … 900 are known. Any other number counts as 400, without an error: 700 is bold, 750 is
#              regular.
# Consequence: a design with variable weights (550, 650) looks right in the browser and loses its emphasis in every exported
#              picture. Round the weights to hundreds in what is drawn outside a browser.
# Output seen:
#   400: as 400    450: as 400    500: as 400    600: as 700    650: as 400    700: as 700    750: as 400    900: as 700
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check resvg-py==0.5.0
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$work/fonts" matplotlib==3.11.0
"$work/venv/bin/python" - "$work/fonts/matplotlib/mpl-data/fonts/ttf" <<'PY'
import sys

import resvg_py


def draw(weight: int) -> bytes:
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="240" height="60"><text x="5" y="40" font-size="32" '
        f'font-family="DejaVu Sans" font-weight="{weight}">Topic</text></svg>'
    )
    return bytes(resvg_py.svg_to_bytes(svg_string=picture, font_dirs=[sys.argv[1]], skip_system_fonts=True))


regular, bold = draw(400), draw(700)
assert regular != bold
seen = {weight: {regular: 400, bold: 700}[draw(weight)] for weight in (400, 450, 500, 600, 650, 700, 750, 900)}
print("    ".join(f"{weight}: as {drawn}" for weight, drawn in seen.items()))
assert seen == {400: 400, 450: 400, 500: 400, 600: 700, 650: 400, 700: 700, 750: 400, 900: 700}
PY
