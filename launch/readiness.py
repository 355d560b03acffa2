"""Waits until a server is ready."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx2

from models.errors import ConfigurationError


def wait_until_ready(
    origin: str, timeout_s: float, *, every_s: float = 0.1, problem: Callable[[], str | None] = lambda: None
) -> None:
    """Return when `/ready` at `origin` answers 200.

    `problem` returns a sentence as soon as waiting has become useless, and is called before each request.

    Raises:
        ConfigurationError: it did not within `timeout_s`; the sentence contains the last response or error.
    """
    deadline, last = time.monotonic() + timeout_s, "no response"
    with httpx2.Client(base_url=origin, timeout=5.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            if (sentence := problem()) is not None:
                raise ConfigurationError(sentence)
            try:
                response = client.get("/ready")
                if response.status_code == 200:
                    return
                last = response.text
            except httpx2.HTTPError as error:
                last = type(error).__name__
            time.sleep(every_s)
    raise ConfigurationError(f"the server did not become ready within {timeout_s:g} s: {last}")
