#!/usr/bin/env bash
# icu4py: the offsets of `segments` in text with characters outside the Basic Multilingual Plane.
#
# Versions:    icu4py 1.2.0, Python 3.11.
# Expectation: `text[start:end]` of each pair from `WordBreaker(text, locale).segments()` is the word that iterating gives.
# Behaviour:   the pairs count UTF-16 units, in which such a character is two; Python's strings count code points. All later
#              words are cut at wrong places, and the last pair ends after the text. Iterating gives the right words.
# Consequence: one rare Chinese character, or an emoji, shifts every later word. Add up the lengths of the words instead.
# Output seen:
#   words:    漢字 𠮟 今日 は
#   segments: 漢字 𠮟今 日は (empty)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check icu4py==1.2.0
"$work/venv/bin/python" - <<'PY'
import sys

from icu4py.breakers import WordBreaker

text = "漢字𠮟今日は"
words = list(WordBreaker(text, "root"))
cut = [text[start:end] for start, end in WordBreaker(text, "root").segments()]
print("words:   ", *words)
print("segments:", *(each or "(empty)" for each in cut))
same = words == ["漢字", "𠮟", "今日", "は"] and cut == ["漢字", "𠮟今", "日は", ""]
sys.exit(0 if same else "the behaviour has changed")
PY
