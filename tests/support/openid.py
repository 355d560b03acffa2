"""A local OpenID provider. It runs in its own process: its deprecation warnings would be errors in the tests."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from launch.ray_environment import free_ports


@contextmanager
def openid_provider() -> Iterator[str]:
    """Run the provider; yields its issuer URL."""
    (port,) = free_ports(1)
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.openid_with_pkce", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            issuer = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 30
            while True:
                try:
                    httpx2.get(f"{issuer}/jwks", trust_env=False).raise_for_status()
                    break
                except httpx2.TransportError:
                    assert time.monotonic() < deadline
                    assert process.poll() is None
                    time.sleep(0.05)
            yield issuer
        finally:
            process.terminate()
