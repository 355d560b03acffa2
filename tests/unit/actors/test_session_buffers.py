"""Session buffers as a plain class: bounds per user and shard, activation, passivation, exclusions, memory."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import uuid
from collections.abc import Sequence

import pytest

from actors.session_buffers import BufferLimits, SessionBuffers
from actors.sharding import NUM_BUCKETS, bucket_of, shard_of, shard_of_bucket
from models.errors import BufferFull, Unavailable
from models.recording.event_writer import BatchOutcome
from models.recording.exclusions import SiteLists
from models.recording.ingest import EventRow, IngestBatch
from tests.support.conditions import until


class Disk:
    """Saves when told to; remembers what and with which exclusions."""

    def __init__(self) -> None:
        self.flushes: list[list[IngestBatch]] = []
        self.excluded: list[dict[int, str]] = []
        self.num_saves = 0
        self.ready = asyncio.Event()
        self.ready.set()
        self.error: Exception | None = None

    async def save(self, batches: Sequence[IngestBatch], excluded: Sequence[dict[int, str]]) -> Sequence[BatchOutcome]:
        self.num_saves += 1
        await self.ready.wait()
        if self.error is not None:
            raise self.error
        self.flushes.append(list(batches))
        self.excluded += excluded
        return [BatchOutcome(excluded=e) for e in excluded]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def batch(user: uuid.UUID, num_bytes: int = 100, url: str = "https://example.com/") -> IngestBatch:
    row = EventRow(uuid.uuid4().bytes, None, "scroll", 1, None, "{}", url)
    return IngestBatch(user, uuid.uuid4(), rows=[row], order=[0], event_ids=[None], num_bytes=num_bytes)


async def nothing_excluded(_: uuid.UUID) -> SiteLists:
    return SiteLists()


ANN, BOB = uuid.uuid4(), uuid.uuid4()


async def test_batches_of_many_users_are_one_transaction() -> None:
    disk = Disk()
    buffers = SessionBuffers(disk.save, nothing_excluded)
    await buffers.append([batch(ANN)])
    disk.ready.clear()
    first = asyncio.create_task(buffers.append([batch(ANN)]))
    await until(lambda: disk.num_saves == 2)
    rest = [asyncio.create_task(buffers.append([batch(u)])) for u in (ANN, BOB, BOB)]
    await until(lambda: buffers.pending_bytes == 400)
    disk.ready.set()
    await asyncio.gather(first, *rest)
    assert [len(f) for f in disk.flushes] == [1, 1, 3]


async def test_a_users_limit_does_not_affect_other_users() -> None:
    disk = Disk()
    disk.ready.clear()
    buffers = SessionBuffers(disk.save, nothing_excluded, BufferLimits(user_bytes=1000, shard_bytes=5000))
    held = asyncio.create_task(buffers.append([batch(ANN, 900)]))
    await until(lambda: buffers.pending_bytes == 900)
    (refused,) = await buffers.append([batch(ANN, 200)])
    assert isinstance(refused.error, BufferFull)
    assert refused.error.retry_after_s
    other = asyncio.create_task(buffers.append([batch(BOB, 900)]))
    await until(lambda: buffers.pending_bytes == 1800)
    disk.ready.set()
    assert [o.error for o in await held + await other] == [None, None]
    assert buffers.pending_bytes == 0
    (again,) = await buffers.append([batch(ANN, 200)])
    assert again.error is None


async def test_a_full_shard_raises_unavailable() -> None:
    disk = Disk()
    disk.ready.clear()
    buffers = SessionBuffers(disk.save, nothing_excluded, BufferLimits(user_bytes=1000, shard_bytes=1500))
    held = [asyncio.create_task(buffers.append([batch(u, 800)])) for u in (ANN, BOB)]
    await until(lambda: any(task.done() for task in held))
    outcomes = [o.error for t in held if t.done() for o in t.result()]
    assert any(isinstance(e, Unavailable) and e.status == 503 for e in outcomes)
    disk.ready.set()
    await asyncio.gather(*held)


async def test_a_failed_save_is_an_error_of_every_batch() -> None:
    disk = Disk()
    disk.error = Unavailable("down", 2.0)
    buffers = SessionBuffers(disk.save, nothing_excluded)
    outcomes = await buffers.append([batch(ANN), batch(BOB)])
    assert all(isinstance(o.error, Unavailable) for o in outcomes)
    assert buffers.pending_bytes == 0
    disk.error = None
    assert (await buffers.append([batch(ANN)]))[0].error is None


async def test_users_are_activated_once_and_passivated_when_idle() -> None:
    loaded: list[uuid.UUID] = []

    async def exclusions(user: uuid.UUID) -> SiteLists:
        loaded.append(user)
        await asyncio.sleep(0)
        return SiteLists(frozenset({"secret.example"}))

    clock, disk = Clock(), Disk()
    buffers = SessionBuffers(disk.save, exclusions, BufferLimits(passivate_after_s=60), clock)
    await asyncio.gather(*(buffers.append([batch(ANN, url="https://a.secret.example/")]) for _ in range(5)))
    assert loaded == [ANN]
    assert disk.excluded == [{0: "yours: secret.example"}] * 5
    clock.now = 59
    assert buffers.passivate() == 0
    clock.now = 61
    await buffers.append([batch(BOB)])
    assert buffers.num_active_users == 1, "Ann was idle for a minute"
    await buffers.append([batch(ANN)])
    assert loaded == [ANN, BOB, ANN]
    buffers.invalidate_user(ANN)
    await buffers.append([batch(ANN)])
    assert loaded[-1] == ANN
    assert len(loaded) == 4


async def test_a_user_with_unsaved_events_is_not_passivated() -> None:
    clock, disk = Clock(), Disk()
    buffers = SessionBuffers(disk.save, nothing_excluded, BufferLimits(passivate_after_s=1), clock)
    disk.ready.clear()
    held = asyncio.create_task(buffers.append([batch(ANN)]))
    await until(lambda: buffers.pending_bytes == 100)
    clock.now = 100
    assert buffers.passivate() == 0
    disk.ready.set()
    await held
    assert buffers.passivate() == 1


async def test_the_longest_idle_users_are_passivated_over_the_memory_limit() -> None:
    async def many_exclusions(user: uuid.UUID) -> SiteLists:
        return SiteLists(frozenset(f"{i}.{user}.example" for i in range(100)))

    clock, disk = Clock(), Disk()
    buffers = SessionBuffers(disk.save, many_exclusions, BufferLimits(idle_bytes=100_000), clock)
    users = [uuid.uuid4() for _ in range(30)]
    for user in users:
        clock.now += 1
        await buffers.append([batch(user)])
    assert 0 < buffers.num_active_users < 12
    assert buffers.idle_bytes <= 100_000
    assert buffers.num_passivations == 30 - buffers.num_active_users
    await buffers.append([batch(users[-1])])
    assert buffers.num_activations == 30, "the latest are still here"
    buffers.retain(lambda _: False)
    assert (buffers.num_active_users, buffers.idle_bytes) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("num_exclusions", [0, 100])
async def test_an_idle_user_costs_less_than_20_kb(num_exclusions: int) -> None:
    async def excluded(user: uuid.UUID) -> SiteLists:
        return SiteLists(frozenset(f"{i}.{user.hex[:12]}.example" for i in range(num_exclusions)))

    disk = Disk()
    buffers = SessionBuffers(disk.save, excluded)
    users = [uuid.uuid4() for _ in range(2000)]
    await buffers.append([batch(users[0])])
    disk.flushes.clear()
    gc.collect()
    tracemalloc.start()
    try:
        for user in users[1:]:
            await buffers.append([batch(user)])
        disk.flushes.clear()
        disk.excluded.clear()
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert buffers.num_active_users == 2000
    assert used / 1999 < 20_000
    assert buffers.idle_bytes / 2000 == pytest.approx(used / 1999, rel=0.3), "the budget counts what is used"


def test_buckets_never_move_and_shards_share_them_evenly() -> None:
    # Written down: another hash would send users to the wrong shard during an upgrade.
    assert [bucket_of(uuid.UUID(int=i)) for i in (1, 2, 3)] == [62, 37, 50]
    for num_shards in (1, 2, 3, 7, 64):
        held = [shard_of_bucket(b, num_shards) for b in range(NUM_BUCKETS)]
        sizes = [held.count(s) for s in range(num_shards)]
        assert sum(sizes) == NUM_BUCKETS
        assert max(sizes) - min(sizes) <= 1
        assert 0 <= shard_of(uuid.uuid4(), num_shards) < num_shards
    for wrong in (0, 65):
        with pytest.raises(ValueError, match="number of shards"):
            shard_of_bucket(0, wrong)
