#!/usr/bin/env bash
# resvg-py: no other Python thread runs while a picture is drawn.
#
# Versions:    resvg-py 0.5.0, CPython 3.11 or newer with the GIL.
# Expectation: a compiled function that draws for seconds and touches no Python object meanwhile releases the GIL, as
#              Pillow, numpy and zlib do. A server can then draw in a thread (`asyncio.to_thread`) and answer meanwhile.
# Behaviour:   `svg_to_bytes` keeps the GIL from the first to the last moment. A second thread that wakes up every two
#              milliseconds stands still for as long as the drawing takes.
# Consequence: a thread does not help: an event loop stands still while another thread draws. Draw in another process.
# Output seen:
#   drawing: 7.2 s, longest pause of the other thread: 100% of it
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check resvg-py==0.5.0
"$work/venv/bin/python" - <<'PY'
import sys
import threading
import time

import resvg_py

circles = "".join(
    f'<circle cx="{i * 37 % 4000}" cy="{i * 91 % 4000}" r="300" fill="rgb({i % 255},80,120)" opacity="0.5"/>'
    for i in range(300)
)
picture = f'<svg xmlns="http://www.w3.org/2000/svg" width="4000" height="4000">{circles}</svg>'
longest_pause_s = 0.0
finished = threading.Event()


def tick() -> None:
    global longest_pause_s
    last = time.perf_counter()
    while not finished.is_set():
        time.sleep(0.002)
        now = time.perf_counter()
        longest_pause_s = max(longest_pause_s, now - last)
        last = now


thread = threading.Thread(target=tick)
thread.start()
time.sleep(0.1)
started = time.perf_counter()
resvg_py.svg_to_bytes(svg_string=picture)
took_s = time.perf_counter() - started
time.sleep(0.05)
finished.set()
thread.join()
print(f"drawing: {took_s:.1f} s, longest pause of the other thread: {longest_pause_s / took_s:.0%} of it")
sys.exit(0 if longest_pause_s > 0.9 * took_s else "the behaviour has changed")
PY
