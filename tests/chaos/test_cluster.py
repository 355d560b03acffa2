"""The short form of `make chaos`: two nodes, one drained, one killed while the number of shards changes.

The nodes have no more room for maps than those of the kind overlay: workers that held CPUs would leave none to the
tasks that they wait for, and the eight Stops at the end of the load would make no map.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from cluster.scheduling.placement import GROUP_LABEL
from cluster.scheduling.shards import request_num_shards
from kuberay.checks.manifests import render
from launch.local_cluster import LocalCluster
from launch.local_nodes import node_processes
from tests.chaos.cluster_faults import NUM_RECORDERS, local_cluster, under_load
from tests.support.client import ApiUser, sign_up, visit

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


class RoomForMaps(NamedTuple):
    """What the kind overlay has for maps: nodes at most, CPUs of each, and workers at least and at most."""

    num_nodes: int
    num_cpus: int
    num_workers: int
    max_workers: int


@pytest.fixture(scope="module")
def room_for_maps() -> RoomForMaps:
    documents = render("kind")
    (service,) = (document for document in documents if document["kind"] == "RayService")
    groups = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (group,) = (group for group in groups if group["labels"].get(GROUP_LABEL) == "ai")
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    (values,) = (d["data"] for d in documents if "TRAILMIND_MAX_WORKERS" in d.get("data", {}))
    return RoomForMaps(
        group["maxReplicas"],
        int(limits["cpu"]),
        int(values["TRAILMIND_NUM_WORKERS"]),
        int(values["TRAILMIND_MAX_WORKERS"]),
    )


@pytest.fixture
def cluster(room_for_maps: RoomForMaps) -> Iterator[LocalCluster]:
    """A cluster for one test: a node that another test stopped would change what this one measures."""
    assert room_for_maps.num_workers == 0, "no worker while the queue is empty"
    data_dir = Path(tempfile.mkdtemp(prefix="trailmind-cluster-"))
    started = local_cluster(
        data_dir,
        room_for_maps.num_nodes,
        num_cpus=room_for_maps.num_cpus,
        num_workers=room_for_maps.num_workers,
        max_workers=room_for_maps.max_workers,
    )
    started.start()
    try:
        yield started
    finally:
        started.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


def processes(cluster: LocalCluster, title: str) -> list[int]:
    """The number of processes with this title on each of the two nodes."""
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
    assert sum(processes(cluster, "MaintenanceWorker")) == 1, "mails and erasure do not wait for a map"
    # The kill cuts one request of most clients, whatever the duration: a longer run makes their share stable.
    outcome = await under_load(cluster, "kill a node, change the shards", kill_and_reshard, before_s=4.0, after_s=6.0)
    assert outcome.is_expected, outcome
    assert outcome.acknowledged > 500
    assert sum(processes(cluster, "GenerationWorker")) > 0, "the queue scales the workers"
    assert outcome.maps == NUM_RECORDERS == 8


async def upload(user: ApiUser, session: str, half_s: float) -> int:
    """Send a batch slowly: the second half of its bytes after `half_s`. Return how many events were stored."""
    events = [{**visit(f"https://example.com/{n}"), "event_id": str(uuid.uuid4())} for n in range(5)]
    body = json.dumps({"events": events}).encode()

    async def content() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        await asyncio.sleep(half_s)
        yield body[len(body) // 2 :]

    # A separate connection, as in a browser.
    async with httpx2.AsyncClient(base_url=user.client.base_url, timeout=30.0, trust_env=False) as client:
        response = await client.post(
            f"/v1/sessions/{session}/events",
            content=content(),
            headers={**user.headers, "Content-Type": "application/json", "Content-Length": str(len(body))},
        )
    assert response.status_code == 200, response.text
    return int(response.json()["stored"])


async def test_a_drained_node_finishes_accepted_requests(cluster: LocalCluster) -> None:
    """Both replicas, one on each node, process requests while one node is drained."""
    async with httpx2.AsyncClient(base_url=cluster.settings.server.origin, timeout=30.0, trust_env=False) as client:
        users = [await sign_up(client) for _ in range(4)]
        sessions = [await user.start() for user in users]
        uploads = [
            asyncio.create_task(upload(user, session, 4.0))
            for user, session in zip(users, sessions, strict=True)
            for _ in range(3)
        ]
        await asyncio.sleep(1.0)
        await asyncio.to_thread(cluster.drain, 2)
        assert await asyncio.gather(*uploads) == [5] * len(uploads)
        for user, session in zip(users, sessions, strict=True):
            stats = await user.ok("GET", f"/v1/sessions/{session}/events/stats")
            assert stats["total_events"] == 15
