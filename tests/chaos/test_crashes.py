"""Processes are killed while people record: nothing acknowledged is lost, nothing comes twice, every Stop has a map."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.support.client import PASSWORD, visit
from tests.support.product import Product

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

NUM_RECORDERS = 6
GIVE_UP_S = 60.0


@dataclass
class Recorder:
    """A client that behaves: it resends what was not acknowledged, and counts what was."""

    client: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)
    session: str = ""
    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    failures: int = 0

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call, repeated until the server has an answer that is not "not now"."""
        give_up_at = time.monotonic() + GIVE_UP_S
        while True:
            try:
                answer = await self.client.request(method, path, json=body, headers=self.headers)
                if answer.status_code not in {429, 500, 502, 503, 504}:
                    return answer
                problem = f"{answer.status_code} {answer.text[:200]}"
            except httpx.TransportError as error:
                problem = type(error).__name__
            self.failures += 1
            assert time.monotonic() < give_up_at, f"{method} {path} was never answered: {problem}"
            await asyncio.sleep(0.1)

    async def begin(self) -> None:
        body = {"email": f"{uuid.uuid4().hex}@test.local", "password": PASSWORD}
        reply = (await self.call("POST", "/v1/auth/signup", body)).json()
        self.headers = {"Authorization": f"Bearer {reply['token']}"}
        started = await self.call("POST", "/v1/sessions/start", {"client_session_id": uuid.uuid4().hex})
        self.session = started.json()["session"]["id"]

    async def record(self, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            events = []
            for _ in range(10):
                number += 1
                url = f"https://example.com/{self.session[:8]}/{number % 17}"
                text = f"Bears and berries, chapter {number % 17}. " * 10
                events.append({**visit(url, int(time.time() * 1000), content=text), "event_id": str(uuid.uuid4())})
            self.sent |= {e["event_id"] for e in events}
            answer = await self.call("POST", f"/v1/sessions/{self.session}/events", {"events": events})
            assert answer.status_code == 200, answer.text
            reply = answer.json()
            assert reply["stored"] + reply["duplicate"] == 10
            self.acknowledged |= {e["event_id"] for e in events}
            await asyncio.sleep(0.02)

    async def finish(self) -> None:
        answer = await self.call("POST", f"/v1/sessions/{self.session}/stop")
        # The answer to a first Stop may have been lost in the crash: then the second finds it done.
        assert answer.status_code == 200 or "stopped from current state" in answer.text

    async def wait_for_map(self) -> None:
        give_up_at = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up_at:
            mindmap = (await self.call("GET", f"/v1/sessions/{self.session}/mindmap")).json()["mindmap"]
            if mindmap["status"] == "completed":
                return
            assert mindmap["status"] == "generating", mindmap
            await asyncio.sleep(0.1)
        raise AssertionError(f"no map for {self.session}")


@pytest.fixture
async def recorders(product: Product) -> AsyncIterator[list[Recorder]]:
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(base_url=product.origin, timeout=20.0, trust_env=False, limits=limits) as client:
        found = [Recorder(client) for _ in range(NUM_RECORDERS)]
        await asyncio.gather(*(r.begin() for r in found))
        yield found


def kill(product: Product, *names: str) -> int:
    """SIGKILL every process of the product whose title or command line holds one of `names`; how many."""
    killed = 0
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if any(n in line for n in names) and _belongs_to(process, product):
            process.kill()
            killed += 1
    return killed


def _belongs_to(process: psutil.Process, product: Product) -> bool:
    try:
        if process.pid in {p.pid for p in product.processes()}:
            return True
        return str(product.data_dir) in " ".join([*process.cmdline(), process.cwd()])
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def kill_postgres(product: Product) -> int:
    """SIGKILL the PostgreSQL server (its backends go with it)."""
    pid = int((product.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    return 1


FAULTS: dict[str, Callable[[Product], int]] = {
    "shard": lambda p: kill(p, "ray::SessionBufferShard"),
    "replica": lambda p: kill(p, "ray::ServeReplica:trailmind:Api"),
    "worker": lambda p: kill(p, "ray::ServeReplica:trailmind:GenerationWorker"),
    "postgres": kill_postgres,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_crash_under_load_loses_nothing(product: Product, recorders: list[Recorder], fault: str) -> None:
    over = asyncio.Event()
    recording = [asyncio.create_task(r.record(over)) for r in recorders]
    await asyncio.sleep(1.0)
    if fault == "worker":
        # In the middle of jobs: half of the sessions are stopped right before the blow.
        early, recorders_left = recorders[:3], recorders[3:]
        for task, recorder in zip(recording, early, strict=False):
            task.cancel()
            await asyncio.wait([task])
            await recorder.finish()
    else:
        early, recorders_left = [], recorders
    assert FAULTS[fault](product) > 0
    await asyncio.sleep(1.5)
    over.set()
    await asyncio.gather(*(t for t in recording if not t.cancelled()))
    await asyncio.gather(*(r.finish() for r in recorders_left))
    await asyncio.gather(*(r.wait_for_map() for r in [*early, *recorders_left]))

    async with await psycopg.AsyncConnection.connect(product.settings.postgres_dsn) as db:
        for recorder in recorders:
            cursor = await db.execute("SELECT event_key::text FROM events WHERE session_id = %s", [recorder.session])
            keys = [row[0] for row in await cursor.fetchall()]
            assert len(keys) == len(set(keys))
            assert recorder.acknowledged <= set(keys) <= recorder.sent
            cursor = await db.execute(
                "SELECT count(*) FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id"
                " WHERE m.session_id = %s",
                [recorder.session],
            )
            assert await cursor.fetchone() == (1,), "exactly one version"
    assert sum(len(r.acknowledged) for r in recorders) > 100


def test_power_cut_and_second_start(product: Product) -> None:
    """The whole tree dies at once; the next start needs no hand, and what was acknowledged is there."""
    with httpx.Client(base_url=product.origin, timeout=20.0, trust_env=False) as client:
        reply = client.post("/v1/auth/signup", json={"email": f"{uuid.uuid4().hex}@t.local", "password": PASSWORD})
        headers = {"Authorization": f"Bearer {reply.json()['token']}"}
        session = client.post("/v1/sessions/start", headers=headers).json()["session"]["id"]
        events = [visit(f"https://example.com/{i}", int(time.time() * 1000)) for i in range(20)]
        path = f"/v1/sessions/{session}/events"
        assert client.post(path, headers=headers, json={"events": events}).json()["stored"] == 20
        product.kill()
        product.start()
        stats = client.get(f"{path}/stats", headers=headers).json()
        assert stats["total_events"] == 20
        assert client.post(path, headers=headers, json={"events": events}).json()["duplicate"] == 20
        client.post(f"/v1/sessions/{session}/stop", headers=headers)
