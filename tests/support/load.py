"""Clients that record while faults are injected, and an audit of their events."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import psycopg

from tests.support.client import PASSWORD, visit

_RETRYABLE = {429, 500, 502, 503, 504}


@dataclass
class LoadResult:
    """Requests of all clients and their outcomes. Times are of the monotonic clock."""

    num_requests: int = 0
    num_errors: int = 0
    #: Requests whose first repetition failed, too: what a client that retries once reports as an error.
    num_failed_twice: int = 0
    latencies_s: list[float] = field(default_factory=list)
    #: When requests failed, and when one succeeded.
    failed_at: list[float] = field(default_factory=list)
    succeeded_at: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def recovery_s(self, since: float) -> float:
        """Seconds from `since` to the end of the last failure, 0 when nothing failed."""
        return max((t - since for t in self.failed_at if t >= since), default=0.0)


class LoadClient:
    """A client that resends unacknowledged events and counts acknowledged ones."""

    def __init__(self, load: LoadResult, origins: Sequence[str], *, give_up_s: float = 240.0) -> None:
        self._load, self._give_up_s = load, give_up_s
        # Separate connections, as every browser has.
        self._clients = [
            httpx2.AsyncClient(base_url=origin, timeout=httpx2.Timeout(10.0, connect=3.0), trust_env=False)
            for origin in origins
        ]
        self._turn = 0
        self.headers: dict[str, str] = {}
        self.session = ""
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()

    async def request(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        """Send a request, and repeat it while the response is an error that a client retries."""
        give_up_at, num_failures = time.monotonic() + self._give_up_s, 0
        while True:
            self._turn += 1
            client = self._clients[self._turn % len(self._clients)]
            began = time.monotonic()
            self._load.num_requests += 1
            try:
                answer = await client.request(method, path, json=body, headers=self.headers)
                if answer.status_code not in _RETRYABLE:
                    self._load.latencies_s.append(time.monotonic() - began)
                    self._load.succeeded_at.append(time.monotonic())
                    return answer
                problem = f"status {answer.status_code}"
            except httpx2.TransportError as error:
                problem = type(error).__name__
            num_failures += 1
            self._load.num_errors += 1
            self._load.num_failed_twice += num_failures == 2
            self._load.failed_at.append(time.monotonic())
            self._load.errors[problem] = self._load.errors.get(problem, 0) + 1
            assert time.monotonic() < give_up_at, f"{method} {path} got no final response: {problem}"
            await asyncio.sleep(0.25)

    async def sign_up_and_start(self) -> None:
        """Sign up and start a session."""
        reply: dict[str, Any] = {}
        while "token" not in reply:
            # Another address each time: if the answer to the first attempt was lost, its account exists.
            body = {"email": f"{uuid.uuid4().hex}@test.local", "password": PASSWORD}
            answer = await self.request("POST", "/v1/auth/signup", body)
            assert answer.status_code in {200, 201, 409}, answer.text
            reply = answer.json()
        self.headers = {"Authorization": f"Bearer {reply['token']}"}
        started = await self.request("POST", "/v1/sessions/start", {"client_session_id": uuid.uuid4().hex})
        self.session = started.json()["session"]["id"]

    async def send_events(self, stop: asyncio.Event, *, batch: int = 5, pause_s: float = 0.1) -> None:
        """Send batches until `stop` is set."""
        number = 0
        while not stop.is_set():
            events = []
            for _ in range(batch):
                number += 1
                url = f"https://example.com/{self.session[:8]}/{number % 17}"
                text = f"Bears and berries, chapter {number % 17}. " * 10
                events.append({**visit(url, int(time.time() * 1000), content=text), "event_id": str(uuid.uuid4())})
            self.sent |= {e["event_id"] for e in events}
            answer = await self.request("POST", f"/v1/sessions/{self.session}/events", {"events": events})
            assert answer.status_code == 200, answer.text
            reply = answer.json()
            assert reply["stored"] + reply["duplicate"] == len(events)
            self.acknowledged |= {e["event_id"] for e in events}
            await asyncio.sleep(pause_s)

    async def stop_session(self) -> None:
        """Stop the session."""
        answer = await self.request("POST", f"/v1/sessions/{self.session}/stop")
        # The response to the first Stop may have been lost: the second finds the session stopped.
        assert answer.status_code == 200 or "stopped from current state" in answer.text, answer.text

    async def wait_for_map(self) -> None:
        """Wait for the completed map."""
        give_up_at = time.monotonic() + self._give_up_s
        while time.monotonic() < give_up_at:
            mindmap = (await self.request("GET", f"/v1/sessions/{self.session}/mindmap")).json()["mindmap"]
            if mindmap["status"] == "completed":
                return
            assert mindmap["status"] == "generating", mindmap
            await asyncio.sleep(0.3)
        raise AssertionError(f"no map for {self.session}")

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.aclose()


@dataclass(frozen=True)
class EventAudit:
    """Acknowledged events of the clients compared with the rows of the database."""

    acknowledged: int
    lost: int
    duplicated: int
    unexpected: int
    maps: int
    versions: int


async def audit_events(dsn: str, recorders: Sequence[LoadClient]) -> EventAudit:
    """Compare every client's acknowledged events with the rows."""
    lost = doubled = invented = maps = versions = 0
    async with await psycopg.AsyncConnection.connect(dsn) as db:
        for recorder in recorders:
            cursor = await db.execute("SELECT event_key::text FROM events WHERE session_id = %s", [recorder.session])
            keys = [row[0] for row in await cursor.fetchall()]
            lost += len(recorder.acknowledged - set(keys))
            doubled += len(keys) - len(set(keys))
            invented += len(set(keys) - recorder.sent)
            cursor = await db.execute(
                "SELECT count(*) FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id"
                " WHERE m.session_id = %s",
                [recorder.session],
            )
            (number,) = await cursor.fetchone() or (0,)
            maps, versions = maps + (number > 0), versions + number
    return EventAudit(sum(len(r.acknowledged) for r in recorders), lost, doubled, invented, maps, versions)
