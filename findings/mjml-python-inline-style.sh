#!/usr/bin/env bash
# mjml-python: `<mj-style inline="inline">` is accepted and not inlined.
#
# Versions:    mjml-python 1.4.2 (mrml), mjml 5.4.1 for Node.js.
# Expectation: MJML's documentation of mj-style: with inline="inline" the rules are written into the style attributes of the
#              elements they select, for mail clients that drop the style sheet in the head. Unknown elements are an error in
#              mrml, so an attribute without effect is not expected.
# Behaviour:   mjml writes the declaration into the element and drops the rule from the head. mjml-python leaves the rule in the
#              head like any other mj-style, without error or warning, and the element does not have it.
# Consequence: style that must survive without a style sheet belongs in attributes (mj-attributes, mj-class), and a test of mails
#              looks at style attributes, not at the presence of a rule anywhere in the document.
# Output seen:
#   mjml:        in the element: yes, rule in the head: no
#   mjml-python: in the element: no, rule in the head: yes
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check mjml-python==1.4.2
npm install --silent --no-audit --no-fund --prefix "$work" mjml@5.4.1 >/dev/null
cat > "$work/mail.mjml" <<'MJML'
<mjml><mj-head><mj-style inline="inline">.loud div { text-transform: uppercase }</mj-style></mj-head><mj-body><mj-section><mj-column>
<mj-text css-class="loud">Hello</mj-text></mj-column></mj-section></mj-body></mjml>
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
    """Whether the style attribute of the text has the declaration, and whether the head has the rule."""
    style = re.search(r'<div[^>]*style="([^"]*)"[^>]*>\s*Hello', html)
    assert style
    in_element = re.search(r"text-transform:\s*uppercase", style[1])
    return "yes" if in_element else "no", "yes" if ".loud div" in html.partition("</head>")[0] else "no"


with open("mail.mjml", encoding="utf-8") as file:
    by_python = look(str(mjml.mjml2html(file.read())))
by_node = look(subprocess.run(["node", "show.mjs"], capture_output=True, check=True, text=True).stdout)
print(f"mjml:        in the element: {by_node[0]}, rule in the head: {by_node[1]}")
print(f"mjml-python: in the element: {by_python[0]}, rule in the head: {by_python[1]}")
assert by_node == ("yes", "no") and by_python == ("no", "yes")
PY
cd "$work"
venv/bin/python show.py
