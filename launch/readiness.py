"""Waits until a server is ready."""

from __future__ import annotations

import time

import httpx2

from models.errors import ConfigurationError


def wait_until_ready(origin: str, timeout_s: float, *, every_s: float = 0.1) -> None:
    """Return when `/ready` at `origin` answers 200.

    Raises:
        ConfigurationError: it did not within `timeout_s`; the sentence contains the last response or error.
    """
    deadline, last = time.monotonic() + timeout_s, "no response"
    with httpx2.Client(base_url=origin, timeout=5.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            try:
                response = client.get("/ready")
                if response.status_code == 200:
                    return
                last = response.text
            except httpx2.HTTPError as error:
                last = type(error).__name__
            time.sleep(every_s)
    raise ConfigurationError(f"the server did not become ready within {timeout_s:g} s: {last}")
