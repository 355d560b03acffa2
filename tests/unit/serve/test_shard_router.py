"""ShardRouter with fake shards: unavailable, recovered, added and removed ones. Ray does not run."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from actors.session_buffers import BufferLimits, PostgresBuffers
from actors.session_shard import RETIRE_AFTER_S, SessionBufferShard
from actors.sharding import bucket_of, shard_of_bucket
from models.errors import BadRequest
from models.recording.event_writer import BatchOutcome
from models.recording.exclusions import SiteLists
from models.recording.ingest import IngestBatch
from models.recording.shard_map import ShardMap, read_shard_map, set_num_shards
from serve.shard_router import ShardClient, ShardRouter, ShardUnreachable
from tests.support.conditions import until


class Handle:
    """A fake actor handle: `handle.method.remote(...)`. A hung one never replies."""

    def __init__(self) -> None:
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.num_calls = 0
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        handle = self

        class Method:
            @staticmethod
            async def remote(*arguments: Any) -> Any:
                handle.num_calls += 1
                await handle.thawed.wait()
                if handle.error is not None:
                    raise handle.error
                return [BatchOutcome() for _ in arguments[0]] if name == "append" else {}

        return Method


def batch(user: uuid.UUID) -> IngestBatch:
    return IngestBatch(user, uuid.uuid4(), rows=[], order=[], event_ids=[], num_bytes=10)


async def test_only_one_request_waits_for_a_hung_shard() -> None:
    handle = Handle()
    shard = ShardClient(0, lambda _: handle, timeout_s=0.05, probe_period_s=0.01)
    handle.thawed.clear()
    with pytest.raises(ShardUnreachable):
        await shard.call("stats")
    assert shard.is_unavailable
    calls = handle.num_calls
    for _ in range(50):
        with pytest.raises(ShardUnreachable):
            await shard.call("stats")
    assert handle.num_calls == calls, "the others are turned away without a call"
    handle.thawed.set()
    await until(lambda: not shard.is_unavailable)
    assert await shard.call("stats") == {}
    await shard.close()


async def test_an_outage_has_two_lines_in_the_log_however_long_it_lasts() -> None:
    handle = Handle()
    handle.error = ConnectionError("no node")
    shard = ShardClient(0, lambda _: handle, timeout_s=1, probe_period_s=0.001)
    with capture_logs(processors=[merge_contextvars]) as logs:
        for _ in range(2):
            with bound_contextvars(request_id="of the first"), pytest.raises(ShardUnreachable):
                await shard.call("stats")
            await until(lambda: handle.num_calls > 5)
            handle.error = None
            await until(lambda: not shard.is_unavailable)
            handle.error, handle.num_calls = ConnectionError("no node again"), 0
    await shard.close()
    # No request has brought the shard back.
    assert [(line["event"], "request_id" in line) for line in logs] == [
        ("shard_unreachable", True),
        ("shard_recovered", False),
    ] * 2


async def test_errors_of_the_shard_do_not_make_it_unavailable() -> None:
    handle = Handle()
    wrapped = ValueError("as Ray wraps it")
    wrapped.cause = BadRequest("no")  # type: ignore[attr-defined]
    handle.error = wrapped
    shard = ShardClient(0, lambda _: handle, timeout_s=1)
    with pytest.raises(BadRequest):
        await shard.call("append", [])
    assert not shard.is_unavailable


@pytest.mark.parametrize(("before", "after"), [(2, 5), (5, 2), (1, 64), (3, 3)])
async def test_users_are_routed_by_the_newest_shard_map(settings: Any, before: int, after: int) -> None:
    handles: dict[int, Handle] = {}

    def connect(index: int) -> Handle:
        return handles.setdefault(index, Handle())

    router = ShardRouter(
        before, connect, PostgresBuffers(settings.database.postgres_dsn, BufferLimits(), writer="replica")
    )
    users = [uuid.uuid4() for _ in range(200)]
    await asyncio.gather(*(router.save(batch(u)) for u in users))
    assert router.resize(ShardMap(7, after)) is (before != after)
    assert not router.resize(ShardMap(6, before)), "an older map never wins"
    await asyncio.gather(*(router.save(batch(u)) for u in users))
    assert router.num_shards == after
    for user in users:
        index = shard_of_bucket(bucket_of(user), after)
        assert router.shard_for(user)._index == index
        assert handles[index].num_calls > 0
    await router.close()


async def test_no_request_waits_for_a_starting_shard(settings: Any) -> None:
    starting = Handle()
    starting.thawed.clear()
    handles = {0: Handle(), 1: starting}
    stand_in = PostgresBuffers(settings.database.postgres_dsn, BufferLimits(), writer="replica")
    stand_in.append = stood_in  # type: ignore[method-assign]
    router = ShardRouter(1, handles.__getitem__, stand_in, timeout_s=3600)
    router.resize(ShardMap(1, 2))
    user = next(u for u in iter(uuid.uuid4, None) if shard_of_bucket(bucket_of(u), 2) == 1)
    assert (await router.save(batch(user))).duplicates == {7}, "the replica itself"
    starting.thawed.set()
    await until(lambda: not router.shard_for(user).is_unavailable)
    assert (await router.save(batch(user))).duplicates == set(), "the shard"
    await router.close()


async def test_calls_in_flight_finish_on_their_shard(settings: Any) -> None:
    handles = {0: Handle(), 1: Handle()}
    router = ShardRouter(2, handles.__getitem__, PostgresBuffers(settings.database.postgres_dsn, BufferLimits()))
    user = next(u for u in iter(uuid.uuid4, None) if shard_of_bucket(bucket_of(u), 2) == 1)
    handles[1].thawed.clear()
    waiting = asyncio.create_task(router.save(batch(user)))
    await until(lambda: handles[1].num_calls)
    router.resize(ShardMap(1, 1))
    closing = asyncio.create_task(router.close())
    await asyncio.sleep(0)
    assert not closing.done()
    handles[1].thawed.set()
    assert (await waiting).error is None
    await closing


async def test_a_shard_drops_moved_users_and_stops_when_removed(settings: Any) -> None:
    shard = SessionBufferShard(1, 2, settings.database.postgres_dsn, BufferLimits(), runs_in_ray=False)
    buffers = shard._postgres.buffers
    buffers._load_exclusions = no_rules
    buffers._load_storage = None
    buffers._save = saved
    users = [uuid.uuid4() for _ in range(300)]
    assert not shard.apply_shard_map(0, 2, now=0.0)
    await buffers.append([batch(u) for u in users])
    mine = {u for u in users if shard_of_bucket(bucket_of(u), 2) == 1}
    assert buffers.num_active_users == len(mine), "users of other shards are served and not kept in memory"
    assert not shard.apply_shard_map(1, 5, now=10.0)
    assert buffers.num_active_users == sum(shard_of_bucket(bucket_of(u), 5) == 1 for u in mine)
    assert not shard.apply_shard_map(2, 1, now=20.0)
    assert buffers.num_active_users == 0
    assert not shard.apply_shard_map(2, 1, now=20.0 + RETIRE_AFTER_S - 1)
    assert shard.apply_shard_map(2, 1, now=20.0 + RETIRE_AFTER_S)
    assert not shard.apply_shard_map(3, 2, now=40.0), "assigned again before it retires"
    await shard._postgres.close()


async def test_a_stopping_shard_finishes_accepted_batches(settings: Any) -> None:
    shard = SessionBufferShard(1, 2, settings.database.postgres_dsn, BufferLimits(), runs_in_ray=False)
    buffers, on_disk = shard._postgres.buffers, asyncio.Event()

    async def slow(batches: Any, excluded: Any) -> list[BatchOutcome]:
        await on_disk.wait()
        return [BatchOutcome() for _ in batches]

    buffers._load_exclusions = no_rules
    buffers._load_storage = None
    buffers._save = slow
    batches = [batch(uuid.uuid4()) for _ in range(3)]
    accepted = asyncio.create_task(buffers.append(batches))
    await until(lambda: buffers.pending_bytes)
    ending = asyncio.create_task(shard.drain())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not ending.done()
    on_disk.set()
    await ending
    outcomes = await accepted
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert buffers.pending_bytes == 0
    await shard._postgres.close()


async def stood_in(batches: Any) -> list[BatchOutcome]:
    return [BatchOutcome(duplicates=frozenset({7})) for _ in batches]


async def no_rules(_: uuid.UUID) -> SiteLists:
    return SiteLists()


async def saved(batches: Any, excluded: Any) -> list[BatchOutcome]:
    return [BatchOutcome() for _ in batches]


async def test_the_shard_map_is_read_from_the_database(fresh_database: str) -> None:
    import psycopg

    from models.migrations.run import migrate

    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    async with await psycopg.AsyncConnection.connect(fresh_database, autocommit=True) as db:
        assert await read_shard_map(db, 3) == ShardMap(0, 3)
        assert await set_num_shards(db, 4) == ShardMap(1, 4)
        assert await set_num_shards(db, 4) == ShardMap(1, 4), "asking twice is asking once"
        assert await set_num_shards(db, 2) == ShardMap(2, 2)
        assert await read_shard_map(db, 3) == ShardMap(2, 2)
        for wrong in (0, -1, 65):
            with pytest.raises(BadRequest, match=f"must be 1 to 64, not {wrong}"):
                await set_num_shards(db, wrong)
