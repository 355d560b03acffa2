"""Without a key no vendor SDK is imported: it would cost seconds at every start and memory in every process."""

from __future__ import annotations

import subprocess
import sys

_LOAD = """
import sys
import cluster.jobs.worker_deployment, cluster.maps.tasks, launch.local_server, serve.app
print([name for name in ("openai", "anthropic", "google.genai", "genai_prices") if name in sys.modules])
"""


def test_api_and_worker_import_no_vendor_sdk() -> None:
    loaded = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
