"""A thin wrapper around Ray Serve's HAProxy for a laptop.

Ray writes HAProxy's configuration anew at every change and offers no say in two things that matter here: its metrics
and statistics pages listen on every interface, and a backend that cannot be reached becomes a plain-text 500, which
tells a client nothing about trying again. Ray lets one name the binary, though; ours mends the file and then becomes
the real HAProxy (`exec`, so process id and signals are as Ray expects).
"""

from __future__ import annotations

import json
from pathlib import Path

_BODY = json.dumps(
    {"error": {"message": "the server is restarting; try again in a moment", "code": "SERVICE_UNAVAILABLE"}}
)

_SCRIPT = r"""#!/bin/sh
# Made by Trailmind at every start: see cluster/haproxy_wrapper.py.
previous=""
for argument in "$@"; do
  if [ "$previous" = "-f" ]; then
    sed -i -e 's/^\( *bind \):\([0-9]\)/\1127.0.0.1:\2/' -e 's/^\( *bind \)\*:/\1127.0.0.1:/' \
      -e 's/^\( *bind \)0\.0\.0\.0:/\1127.0.0.1:/' "$argument"
    directory=$(dirname "$argument")
    printf '%s\r\n' 'HTTP/1.1 503 Service Unavailable' 'Content-Type: application/json' 'Retry-After: 1' \
      'Cache-Control: no-store' 'Content-Length: LENGTH' '' > "$directory/500.http"
    printf '%s' 'BODY' >> "$directory/500.http"
  fi
  previous=$argument
done
exec 'BINARY' "$@"
"""


def write_wrapper(directory: Path, binary: str) -> Path:
    """Write the wrapper for `binary` into `directory` and return its path."""
    path = directory / "haproxy"
    script = _SCRIPT.replace("BINARY", binary).replace("LENGTH", str(len(_BODY))).replace("BODY", _BODY)
    path.write_text(script, encoding="utf-8")
    path.chmod(0o700)
    return path
