"""Replays a recorded session to a server as the extension does: with batches, retries and lost responses."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from models.errors import BadRequest, TrailmindError

BATCH_SIZE = 20
#: Attempts of one call while the server is busy or unavailable.
MAX_TRIES = 8

ReportProgress = Callable[[str, int, int], None]


class ReplayFailed(TrailmindError):
    """The server refused a step of the replay; the message names the step and the reason."""

    code = "REPLAY_FAILED"


@dataclass
class Timings:
    """The duration of each call in milliseconds, by step."""

    by_step: dict[str, list[float]] = field(default_factory=dict)

    def add(self, step: str, began: float) -> None:
        """Add a call that began at `began`, a value of `time.perf_counter()`."""
        self.by_step.setdefault(step, []).append((time.perf_counter() - began) * 1e3)

    def summary(self) -> dict[str, dict[str, float]]:
        """Number, median and maximum of the calls of each step, in milliseconds."""
        return {
            step: {
                "calls": len(values),
                "p50": round(sorted(values)[len(values) // 2], 1),
                "max": round(max(values), 1),
            }
            for step, values in self.by_step.items()
        }


def read_session_file(path: Path) -> list[dict[str, Any]]:
    """The events in a session file: a JSON list, or an object with a list `events`. Raises BadRequest."""
    try:
        events = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise BadRequest(f"{path} is not JSON") from None
    if isinstance(events, dict):
        events = events.get("events")
    if not isinstance(events, list) or not events or not all(isinstance(e, dict) for e in events):
        raise BadRequest(f"{path} holds no list of events")
    return events


def shift_to_end_at(events: list[dict[str, Any]], end_ms: int) -> list[dict[str, Any]]:
    """Copies of the events, shifted so that the last happens at `end_ms`; each has an id and a sequence number."""
    times = [e["timestamp"] for e in events if isinstance(e.get("timestamp"), int | float)]
    shift = end_ms - int(max(times, default=end_ms))
    moved = []
    for seq, event in enumerate(events):
        copy = dict(event)
        if isinstance(copy.get("timestamp"), int | float):
            copy["timestamp"] = int(copy["timestamp"]) + shift
        copy.setdefault("event_id", str(uuid.uuid4()))
        copy.setdefault("seq", seq)
        moved.append(copy)
    return moved


def batches(events: list[dict[str, Any]], size: int = BATCH_SIZE) -> Iterator[list[dict[str, Any]]]:
    """The events in batches of `size`."""
    for i in range(0, len(events), size):
        yield events[i : i + size]


class ReplayClient:
    """One signed-in client that records a session over HTTP."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self.timings = Timings()
        #: Events by verdict over all sent batches, repeated batches included.
        self.verdict_counts = {"seen": 0, "stored": 0, "duplicate": 0, "excluded": 0, "invalid": 0}
        self.headers: dict[str, str] = {}

    def call(self, step: str, method: str, path: str, **kwargs: Any) -> Any:
        """The JSON response of a call; it is retried with backoff while the server is busy or unavailable.

        Raises:
            ReplayFailed: the server refused the call, or all attempts failed.
        """
        for attempt in range(MAX_TRIES):
            began = time.perf_counter()
            try:
                response = self._client.request(method, path, headers=self.headers, **kwargs)
            except httpx2.TransportError as error:
                problem = type(error).__name__
                retry_after_s = 0.2 * 2**attempt
            else:
                if response.is_success:
                    self.timings.add(step, began)
                    return response.json() if response.content else None
                problem = _error_message(response)
                if response.status_code not in {429, 502, 503, 504}:
                    raise ReplayFailed(f"{method} {path}: {response.status_code} {problem}")
                retry_after_s = float(response.headers.get("retry-after", 0.2 * 2**attempt))
            time.sleep(min(retry_after_s, 5.0))
        raise ReplayFailed(f"{method} {path}: failed after {MAX_TRIES} attempts: {problem}")

    def sign_up(self, email: str, password: str) -> None:
        """Create an account and use it for all further calls."""
        reply = self.call("sign_up", "POST", "/v1/auth/signup", json={"email": email, "password": password})
        if "token" not in reply:
            raise ReplayFailed("this server confirms new accounts by mail, so the demo cannot create one there")
        self.headers = {"Authorization": f"Bearer {reply['token']}"}

    def send(
        self, session_id: str, events: list[dict[str, Any]], *, repeat_batch: int, on_progress: ReportProgress
    ) -> None:
        """Send all events in batches; the batch number `repeat_batch` is sent twice, as after a lost response.

        Raises ReplayFailed.
        """
        done = 0
        for number, batch in enumerate(batches(events)):
            for _ in range(2 if number == repeat_batch else 1):
                body = {"events": batch}
                reply = self.call("send_events", "POST", f"/v1/sessions/{session_id}/events", json=body)
                self.verdict_counts["seen"] += reply["total"]
                for verdict in ("stored", "duplicate", "excluded", "invalid"):
                    self.verdict_counts[verdict] += reply[verdict]
            done += len(batch)
            on_progress("Sending events", done, len(events))

    def wait_for_map(self, session_id: str, on_progress: ReportProgress, timeout_s: float = 120.0) -> dict[str, Any]:
        """The finished map. Raises ReplayFailed when the map failed, with the reason, or is not finished in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            mindmap: dict[str, Any] = self.call("get_mindmap", "GET", f"/v1/sessions/{session_id}/mindmap")["mindmap"]
            on_progress(
                f"Generating the map: {mindmap.get('stage') or mindmap['status']}", mindmap.get("percent", 0), 100
            )
            if mindmap["status"] == "completed":
                return mindmap
            if mindmap["status"] == "failed":
                raise ReplayFailed(f"the map failed: {mindmap.get('error_message')}")
            time.sleep(0.05)
        raise ReplayFailed(f"the map is not finished after {timeout_s:g} s")


def _error_message(response: httpx2.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
