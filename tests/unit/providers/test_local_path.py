"""Without a key nothing of the vendors is ever loaded: it would cost every start seconds and every process memory."""

from __future__ import annotations

import subprocess
import sys

_LOAD = """
import sys
import cluster.jobs.worker_deployment, cluster.maps.tasks, launch.local_server, serve.app
print([name for name in ("openai", "anthropic", "google.genai", "genai_prices") if name in sys.modules])
"""


def test_neither_the_api_nor_a_worker_loads_a_vendors_sdk() -> None:
    loaded = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
