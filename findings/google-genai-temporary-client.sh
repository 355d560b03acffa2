#!/usr/bin/env bash
# google-genai: `genai.Client(…).models` does not keep its client alive, so the first request finds the client closed.
#
# Versions:    google-genai 3.4.0.
# Expectation: an object that sends requests holds what it needs for them: `Client(…).models.generate_content(…)` in one
#              expression does the same as with the client in a variable, as in openai and anthropic.
# Behaviour:   `models` holds the inner API client but not the `Client`, whose finalizer closes the HTTP client. Without another
#              reference the finalizer runs before the request; the call raises RuntimeError and sends nothing. A function
#              that returns `.models` of a local client has the same fault.
# Consequence: keep the `Client` as long as anything made from it is used.
# Output seen:
#   openai: 1 request
#   google-genai in a variable: 1 request
#   google-genai in one expression: RuntimeError, 0 requests
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check openai==3.54.0 google-genai==3.4.0
cat > "$work/show.py" <<'PY'
import http.server
import json
import threading

import openai
from google import genai
from google.genai import types

ANSWER = json.dumps({"error": {"message": "no such model", "code": 404, "status": "NOT_FOUND"}}).encode()
num_requests = 0


class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        global num_requests
        num_requests += 1
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *args: object) -> None:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
options = types.HttpOptions(base_url=url)

try:
    openai.OpenAI(api_key="k", base_url=url).chat.completions.create(model="m", messages=[])
except openai.NotFoundError:
    print(f"openai: {num_requests} request")
assert num_requests == 1

num_requests = 0
client = genai.Client(api_key="k", http_options=options)
try:
    client.models.generate_content(model="m", contents="Hello")
except genai.errors.ClientError:
    print(f"google-genai in a variable: {num_requests} request")
assert num_requests == 1

num_requests, error = 0, None
try:
    genai.Client(api_key="k", http_options=options).models.generate_content(model="m", contents="Hello")
except Exception as caught:
    error = type(caught).__name__
print(f"google-genai in one expression: {error}, {num_requests} requests")
assert (error, num_requests) == ("RuntimeError", 0)
PY
"$work/venv/bin/python" "$work/show.py"
