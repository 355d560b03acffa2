"""The token ledger on PostgreSQL: limits hold under concurrency, bookings are idempotent, sums are exact."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from models import ai_calls
from models.billing import ledger
from models.billing.ledger import OutOfTokens, Reservation, TokenAllowance, used_by_operation
from tests.conftest import Stores

Connection = psycopg.AsyncConnection[Any]


def allowance(limit: int | None, days_ago: int = 1) -> TokenAllowance:
    start = datetime.now(UTC) - timedelta(days=days_ago)
    return TokenAllowance(start, start + timedelta(days=30), limit)


@pytest.fixture
async def user(db: Connection) -> uuid.UUID:
    user_id = uuid.uuid4()
    await db.execute("INSERT INTO users (id, email) VALUES (%s, %s)", [user_id, f"{user_id.hex}@test.local"])
    return user_id


async def reserve(db: Connection, user: uuid.UUID, tokens: int, limit: int | None, **kwargs: Any) -> uuid.UUID:
    call_id = kwargs.pop("call_id", None) or uuid.uuid4()
    async with db.transaction():
        await ledger.reserve(db, Reservation(user, allowance(limit), call_id, "mindmap", tokens, **kwargs))
    return uuid.UUID(str(call_id))


async def test_200_concurrent_reservations_never_exceed_the_limit(stores: Stores, user: uuid.UUID) -> None:
    limit, each = 10_000, 130
    plan = allowance(limit)
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(stores.libpq, min_size=1, max_size=20, open=False, timeout=60)
    async with pool:

        async def attempt() -> bool:
            try:
                async with pool.connection() as connection, connection.transaction():
                    await ledger.reserve(connection, Reservation(user, plan, uuid.uuid4(), "mindmap", each))
            except OutOfTokens as error:
                return error.tokens_left >= each
            return True

        won = sum(await asyncio.gather(*(attempt() for _ in range(200))))
        async with pool.connection() as connection:
            now = await ledger.load_balance(connection, user, plan)
    assert won == limit // each
    assert now.reserved_tokens == won * each
    assert now.tokens_left == limit - won * each


async def test_settle_books_the_usage_once_and_releases_the_rest(db: Connection, user: uuid.UUID) -> None:
    call = await reserve(db, user, 900, 1000)
    first = await ledger.settle(db, call, 400)
    again = await ledger.settle(db, call, 999)
    assert (first.tokens, first.absorbed_tokens) == (400, 0)
    assert again == first
    now = await ledger.load_balance(db, user, allowance(1000))
    assert (now.used_tokens, now.reserved_tokens, now.tokens_left) == (400, 0, 600)


async def test_usage_beyond_the_reservation_is_absorbed(db: Connection, user: uuid.UUID) -> None:
    call = await reserve(db, user, 500, 1000)
    charge = await ledger.settle(db, call, 700)
    assert (charge.tokens, charge.absorbed_tokens) == (500, 200)


async def test_reserve_is_idempotent_per_call(db: Connection, user: uuid.UUID) -> None:
    call = await reserve(db, user, 600, 1000)
    await reserve(db, user, 600, 1000, call_id=call)
    now = await ledger.load_balance(db, user, allowance(1000))
    assert now.reserved_tokens == 600


async def test_released_and_refunded_tokens_are_available_again(db: Connection, user: uuid.UUID) -> None:
    unused = await reserve(db, user, 600, 1000)
    await ledger.release(db, unused)
    await ledger.release(db, unused)
    useless = await reserve(db, user, 700, 1000)
    await ledger.settle(db, useless, 650)
    assert await ledger.refund(db, useless) == 650
    await ledger.refund(db, useless)
    now = await ledger.load_balance(db, user, allowance(1000))
    assert (now.used_tokens, now.tokens_left) == (0, 1000)


async def test_expired_reservation_is_not_counted_and_its_settlement_is_absorbed(
    db: Connection, user: uuid.UUID
) -> None:
    late = await reserve(db, user, 1000, 1000, lease_s=-1)
    await reserve(db, user, 1000, 1000)
    charge = await ledger.settle(db, late, 800)
    assert (charge.tokens, charge.absorbed_tokens) == (0, 800)
    now = await ledger.load_balance(db, user, allowance(1000))
    assert now.used_tokens + now.reserved_tokens <= 1000


async def test_grants_are_used_after_the_plan_and_added_once(db: Connection, user: uuid.UUID) -> None:
    pack = uuid.uuid4()
    assert await ledger.grant(db, user, pack, 500)
    assert not await ledger.grant(db, user, pack, 500)
    call = await reserve(db, user, 1200, 1000)
    await ledger.settle(db, call, 1100)
    now = await ledger.load_balance(db, user, allowance(1000))
    assert (now.used_of_plan, now.granted_tokens_left, now.tokens_left) == (1000, 400, 400)
    with pytest.raises(OutOfTokens):
        await reserve(db, user, 401, 1000)
    # The next period renews the plan, not the grant.
    start = datetime.now(UTC) + timedelta(days=40)
    later = TokenAllowance(start, start + timedelta(days=30), 1000)
    assert (await ledger.load_balance(db, user, later)).tokens_left == 1400


async def test_unlimited_plan_has_no_limit(db: Connection, user: uuid.UUID) -> None:
    await reserve(db, user, 10**9, None)
    assert (await ledger.load_balance(db, user, allowance(None))).tokens_left is None


async def test_ledger_is_append_only(db: Connection, user: uuid.UUID) -> None:
    await reserve(db, user, 10, 1000)
    with pytest.raises(psycopg.errors.RaiseException):
        await db.execute("UPDATE ledger_entries SET tokens = 0 WHERE user_id = %s", [user])


async def test_random_histories_match_a_model(db: Connection, user: uuid.UUID, stores: Stores) -> None:
    """After random bookings and repeats the sums equal those of a simple model."""
    rng = random.Random(20261123)
    limit, plan = 5_000, allowance(5_000)
    open_calls: dict[uuid.UUID, int] = {}
    settled: dict[uuid.UUID, int] = {}
    for _ in range(300):
        step = rng.random()
        if step < 0.5:
            tokens = rng.randint(1, 900)
            left = limit - sum(open_calls.values()) - sum(settled.values())
            try:
                open_calls[await reserve(db, user, tokens, limit)] = tokens
                assert tokens <= left
            except OutOfTokens:
                assert tokens > left
        elif open_calls and step < 0.75:
            call = rng.choice(list(open_calls))
            used = rng.randint(0, 1200)
            settled[call] = min(used, open_calls.pop(call))
            assert (await ledger.settle(db, call, used)).tokens == settled[call]
        elif open_calls and step < 0.85:
            call = rng.choice(list(open_calls))
            del open_calls[call]
            await ledger.release(db, call)
        elif settled:
            call = rng.choice(list(settled))
            assert await ledger.refund(db, call) == settled.pop(call)
    engine = create_async_engine("postgresql+psycopg://" + stores.libpq.partition("://")[2])
    async with AsyncSession(engine) as session:
        now = await ledger.load_balance(db, user, plan)
        assert now.used_tokens == sum(settled.values())
        assert now.reserved_tokens == sum(open_calls.values())
        by_operation = await used_by_operation(session, user, plan.period_start, plan.period_end)
        assert sum(by_operation.values()) == now.used_tokens
        assert by_operation == ({"mindmap": now.used_tokens} if now.used_tokens else {})
        assert await used_by_operation(session, user, plan.period_end, plan.period_end + timedelta(days=30)) == {}
    await engine.dispose()


_KILLED = """
import asyncio, os, signal, sys, uuid, psycopg
from datetime import UTC, datetime, timedelta
from models.billing.ledger import Reservation, TokenAllowance, reserve

async def main(dsn, user, call):
    start = datetime.now(UTC) - timedelta(days=1)
    async with await psycopg.AsyncConnection.connect(dsn) as db:
        allowance = TokenAllowance(start, start + timedelta(days=30), 1000)
        await reserve(db, Reservation(uuid.UUID(user), allowance, uuid.UUID(call), "mindmap", 1000, lease_s=1.0))
        await db.commit()
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_reservation_of_a_killed_process_expires(db: Connection, user: uuid.UUID, stores: Stores) -> None:
    call = uuid.uuid4()
    process = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _KILLED, stores.libpq, str(user), str(call)], check=False
    )
    assert process.returncode == -9
    with pytest.raises(OutOfTokens):
        await reserve(db, user, 1, 1000)
    # Wait for the expiry by the database's clock.
    await db.execute(
        "SELECT pg_sleep_until(expires_at) FROM ledger_entries WHERE call_id = %s AND kind = 'reserve'", [call]
    )
    assert await reserve(db, user, 1000, 1000)
    assert await ai_calls.release_lost_calls(db) >= 1
    cursor = await db.execute(
        "SELECT array_agg(kind ORDER BY created_at) FROM ledger_entries WHERE call_id = %s", [call]
    )
    assert await cursor.fetchone() == (["reserve", "release"],)
