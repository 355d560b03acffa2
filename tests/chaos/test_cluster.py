"""The short form of `make chaos`: two nodes, one asked to go, one killed while the number of shards changes."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from cluster.scheduling.shards import request_num_shards
from launch.local_cluster import LocalCluster
from launch.local_nodes import node_processes
from tests.chaos.cluster_faults import local_cluster, under_load
from tests.support.client import ApiUser, sign_up, visit

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    data_dir = Path(tempfile.mkdtemp(prefix="trailmind-cluster-"))
    # No worker until there is something to do.
    found = local_cluster(data_dir, 2, num_workers=0, max_workers=2)
    found.start()
    try:
        yield found
    finally:
        found.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


def processes(cluster: LocalCluster, title: str) -> list[int]:
    """How many processes of this title each of the two nodes runs."""
    return [
        sum(title in " ".join(process.cmdline()) for process in node_processes(cluster.directory, number))
        for number in (1, 2)
    ]


async def test_a_killed_node_and_a_changed_number_of_shards_lose_no_event(cluster: LocalCluster) -> None:
    async def kill_and_reshard() -> None:
        assert await asyncio.to_thread(cluster.kill, 1) > 0
        for number in (4, 1):
            await request_num_shards(cluster.settings, number)
            await asyncio.sleep(2.0)

    assert processes(cluster, "ServeReplica:trailmind:Api") == [1, 1]
    assert processes(cluster, "SessionBufferShard") == [1, 1]
    assert processes(cluster, "GenerationWorker") == [0, 0]
    outcome = await under_load(cluster, "kill a node, change the shards", kill_and_reshard, before_s=2.0, after_s=2.0)
    assert outcome.is_good, outcome
    assert outcome.acknowledged > 500
    assert sum(processes(cluster, "GenerationWorker")) > 0, "the queue has called them"


async def upload(person: ApiUser, session: str, half_s: float) -> int:
    """Send a batch slowly: the second half of its bytes after `half_s`. Return how many events were stored."""
    events = [{**visit(f"https://example.com/{n}"), "event_id": str(uuid.uuid4())} for n in range(5)]
    body = json.dumps({"events": events}).encode()

    async def halves() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        await asyncio.sleep(half_s)
        yield body[len(body) // 2 :]

    # A connection of its own, as every browser has.
    async with httpx2.AsyncClient(base_url=person.client.base_url, timeout=30.0, trust_env=False) as client:
        answer = await client.post(
            f"/v1/sessions/{session}/events",
            content=halves(),
            headers={**person.headers, "Content-Type": "application/json", "Content-Length": str(len(body))},
        )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["stored"])


async def test_a_drained_node_finishes_accepted_requests(cluster: LocalCluster) -> None:
    """Both replicas, one on each node, process requests while one node is drained."""
    async with httpx2.AsyncClient(base_url=cluster.settings.server.origin, timeout=30.0, trust_env=False) as client:
        people = [await sign_up(client) for _ in range(4)]
        sessions = [await person.start() for person in people]
        uploads = [
            asyncio.create_task(upload(person, session, 4.0))
            for person, session in zip(people, sessions, strict=True)
            for _ in range(3)
        ]
        await asyncio.sleep(1.0)
        await asyncio.to_thread(cluster.drain, 2)
        assert await asyncio.gather(*uploads) == [5] * len(uploads)
        for person, session in zip(people, sessions, strict=True):
            stats = await person.ok("GET", f"/v1/sessions/{session}/events/stats")
            assert stats["total_events"] == 15
