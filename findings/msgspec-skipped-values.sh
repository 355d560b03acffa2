#!/usr/bin/env bash
# msgspec: what a type does not read is not checked.
#
# Versions:    msgspec 0.22.0, CPython 3.11 or newer.
# Expectation: whether bytes are an acceptable JSON document does not depend on the type they are decoded to; fields that a
#              Struct does not name are ignored, and Raw delays decoding of a document that was found to be well formed.
# Behaviour:   skipped fields and Raw values are scanned for syntax only. Numbers outside the float range and integers beyond
#              the supported size pass, and fail later in whatever decoder reads them.
# Consequence: an ingest path that stores a client's bytes after decoding a few fields can store a document that no later
#              reader accepts. Decode with the reader's own type before acknowledging.
# Output seen:
#   1e999           Struct: accepted   Raw: accepted   untyped: ValidationError
#   5000 digits     Struct: accepted   Raw: accepted   untyped: ValidationError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.22.0
"$work/venv/bin/python" - <<'PY'
import sys

import msgspec


class Named(msgspec.Struct):
    type: str


class Delayed(msgspec.Struct):
    type: str
    extra: msgspec.Raw


def outcome(body: bytes, target: object) -> str:
    try:
        msgspec.json.decode(body, type=target)
    except Exception as error:
        return type(error).__name__
    return "accepted"


samples = {
    "1e999": (b'{"type":"a","extra":1e999}', "ValidationError"),
    "5000 digits": (b'{"type":"a","extra":' + b"9" * 5000 + b"}", "ValidationError"),
}
changed = False
for name, (body, untyped) in samples.items():
    seen = [outcome(body, target) for target in (Named, Delayed, dict)]
    print(f"{name:15} Struct: {seen[0]}   Raw: {seen[1]}   untyped: {seen[2]}")
    changed |= seen != ["accepted", "accepted", untyped]
sys.exit("the behaviour has changed" if changed else 0)
PY
