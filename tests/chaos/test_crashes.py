"""Kills processes under load: no acknowledged event is lost or duplicated, and every closed session has a map."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.support.client import PASSWORD, visit
from tests.support.load import LoadClient, LoadResult, audit_events
from tests.support.process_faults import FAULTS
from tests.support.product import Product

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

NUM_RECORDERS = 6
GIVE_UP_S = 60.0


@pytest.fixture
async def recorders(product: Product) -> AsyncIterator[list[LoadClient]]:
    load = LoadResult()
    clients = [LoadClient(load, [product.origin], give_up_s=GIVE_UP_S) for _ in range(NUM_RECORDERS)]
    await asyncio.gather(*(r.sign_up_and_start() for r in clients))
    yield clients
    await asyncio.gather(*(r.close() for r in clients))


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_crash_under_load_loses_no_acknowledged_event(
    product: Product, recorders: list[LoadClient], fault: str
) -> None:
    over = asyncio.Event()
    recording = [asyncio.create_task(r.send_events(over, batch=10, pause_s=0.02)) for r in recorders]
    await asyncio.sleep(1.0)
    if fault == "worker":
        # In the middle of jobs: half of the sessions are stopped right before the blow.
        early, recorders_left = recorders[:3], recorders[3:]
        for task, recorder in zip(recording, early, strict=False):
            task.cancel()
            await asyncio.wait([task])
            await recorder.stop_session()
    else:
        early, recorders_left = [], recorders
    assert FAULTS[fault](product) > 0
    await asyncio.sleep(1.5)
    over.set()
    await asyncio.gather(*(t for t in recording if not t.cancelled()))
    await asyncio.gather(*(r.stop_session() for r in recorders_left))
    await asyncio.gather(*(r.wait_for_map() for r in [*early, *recorders_left]))

    audit = await audit_events(product.settings.database.postgres_dsn, recorders)
    assert (audit.lost, audit.duplicated, audit.unexpected) == (0, 0, 0)
    assert audit.maps == audit.versions == len(recorders), "exactly one version each"
    assert audit.acknowledged > 100


def test_killing_all_processes_and_restarting_keeps_the_data(product: Product) -> None:
    """The whole tree dies at once; the next start needs no hand, and what was acknowledged is there."""
    with httpx2.Client(base_url=product.origin, timeout=20.0, trust_env=False) as client:
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


def test_a_signal_to_every_process_stops_the_product(product: Product) -> None:
    """A service manager signals every process, so Ray exits before the launcher can stop it."""
    os.killpg(product.pid, signal.SIGTERM)
    product.stop()
    try:
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{product.origin}/health", trust_env=False)
    finally:
        product.start()
