#!/usr/bin/env bash
# mjml-python: `<mj-style inline="inline">` is accepted and not inlined.
#
# Versions:    mjml-python 1.4.2 (mrml), mjml 5.4.1 for Node.js.
# Expectation: MJML's documentation of mj-style: with inline="inline" the rules are written into the style attributes of the
#              elements they select, for mail clients that drop the style sheet in the head. Unknown elements are an error in
#              mrml, so an attribute without effect is not expected.
# Behaviour:   mjml moves the colour into the element and drops the rule from the head. mjml-python leaves the rule in the head
#              like any other mj-style, without error or warning, and the element keeps its default colour.
# Consequence: style that must survive without a style sheet belongs in attributes (mj-attributes, mj-class), and a test of mails
#              looks at style attributes, not at the presence of a rule anywhere in the document.
# Output seen:
#   mjml:        element #ff0000, rule in the head: no
#   mjml-python: element #000000, rule in the head: yes
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check mjml-python==1.4.2
npm install --silent --no-audit --no-fund --prefix "$work" mjml@5.4.1 >/dev/null
cat > "$work/mail.mjml" <<'MJML'
<mjml><mj-head><mj-style inline="inline">.red div { color: #ff0000 }</mj-style></mj-head><mj-body><mj-section><mj-column>
<mj-text css-class="red">Hello</mj-text></mj-column></mj-section></mj-body></mjml>
MJML
cat > "$work/show.mjs" <<'JS'
import { readFileSync } from "node:fs";
import mjml from "mjml";

process.stdout.write((await mjml(readFileSync("mail.mjml", "utf8"))).html);
JS
cat > "$work/show.py" <<'PY'
import re
import subprocess

import mjml


def look(html: str) -> tuple[str, str]:
    """The colour in the style attribute of the text, and whether the head has the rule."""
    style = re.search(r'<div[^>]*style="([^"]*)"[^>]*>\s*Hello', html)
    assert style
    colour = re.search(r"(?<![-\w])color:\s*(#\w+)", style[1])
    assert colour
    return colour[1], "yes" if ".red div" in html.partition("</head>")[0] else "no"


with open("mail.mjml", encoding="utf-8") as file:
    by_python = look(str(mjml.mjml2html(file.read())))
by_node = look(subprocess.run(["node", "show.mjs"], capture_output=True, check=True, text=True).stdout)
print(f"mjml:        element {by_node[0]}, rule in the head: {by_node[1]}")
print(f"mjml-python: element {by_python[0]}, rule in the head: {by_python[1]}")
assert by_node == ("#ff0000", "no") and by_python == ("#000000", "yes")
PY
cd "$work"
venv/bin/python show.py
