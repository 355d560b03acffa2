#!/usr/bin/env bash
# openai, anthropic and google-genai: one answer of 429 with `Retry-After: 300` has three different results.
#
# Versions:    openai 3.54.0, anthropic 2.12.0, google-genai 3.4.0.
# Expectation: RFC 9110, 10.2.3: Retry-After says how long a client ought to wait. The README of openai promises two retries
#              with a short exponential backoff after 429, and the SDK of Anthropic has the same structure, so one expects one
#              treatment of the header, and that `timeout` limits how long a call takes.
# Behaviour:   openai does not retry when the header asks for more than 120 s, and raises at once.
#              anthropic sleeps for whatever the header says, twice: a call with timeout=10 takes ten minutes.
#              google-genai does not read the header: it asks again after about 2 and 3 s, and each request counts at the vendor.
# Consequence: code that serves several vendors switches all three off (max_retries=0, HttpRetryOptions(attempts=1)) and waits by
#              itself, by the header, within the time that the caller has.
# Output seen:
#   openai: RateLimitError after 1 request, sleeps []
#   anthropic: RateLimitError after 3 requests, sleeps [300.0, 300.0]
#   google-genai: ClientError after 3 requests, 2 sleeps, all below 10 s
# The script notes the sleeps instead of waiting.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check openai==3.54.0 anthropic==2.12.0 google-genai==3.4.0
cat > "$work/show.py" <<'PY'
import http.server
import json
import threading
import time
from collections.abc import Callable

import anthropic
import openai
from google import genai
from google.genai import types

ANSWER = json.dumps({"error": {"message": "busy", "code": 429, "status": "RESOURCE_EXHAUSTED"}}).encode()
num_requests = 0


class Busy(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        global num_requests
        num_requests += 1
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(429)
        self.send_header("Retry-After", "300")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *args: object) -> None:
        pass


def call(function: Callable[[], object]) -> tuple[str, int, list[float]]:
    global num_requests
    num_requests = 0
    sleeps.clear()
    try:
        function()
    except Exception as error:
        return type(error).__name__, num_requests, list(sleeps)
    raise AssertionError("the call did not fail")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
messages = [{"role": "user", "content": "Hello"}]
sleeps: list[float] = []
time.sleep = sleeps.append

by_openai = openai.OpenAI(api_key="k", base_url=url, timeout=10)
by_anthropic = anthropic.Anthropic(api_key="k", base_url=url, timeout=10)
retries = types.HttpRetryOptions(attempts=3)
by_google = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url, timeout=10_000, retry_options=retries))

error, num, slept = call(lambda: by_openai.chat.completions.create(model="m", messages=messages))
print(f"openai: {error} after {num} request, sleeps {slept}")
assert (error, num, slept) == ("RateLimitError", 1, [])
error, num, slept = call(lambda: by_anthropic.messages.create(model="m", max_tokens=5, messages=messages))
print(f"anthropic: {error} after {num} requests, sleeps {slept}")
assert (error, num, slept) == ("RateLimitError", 3, [300.0, 300.0])
error, num, slept = call(lambda: by_google.models.generate_content(model="m", contents="Hello"))
print(f"google-genai: {error} after {num} requests, {len(slept)} sleeps, all below 10 s")
assert (error, num, len(slept)) == ("ClientError", 3, 2) and max(slept) < 10
PY
"$work/venv/bin/python" "$work/show.py"
