"""The charge of a call is written in the background, and before anything that is made of its response.

A call that follows others is recorded while they run, and before it is sent.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr

from cluster.providers.calling import settlements
from cluster.providers.calling.call_context import CallContextConfig, CallRequest, open_call_context
from cluster.providers.calling.metered_client import CallScope
from cluster.providers.calling.settlements import SettlementWriter
from cluster.providers.configuration import ProviderEndpoint
from cluster.providers.planning.cost_estimate import page_batches
from cluster.providers.prompting.prompts import describe_prompt
from cluster.providers.steps import DescribeResult, describe_pages
from cluster.providers.types import ModelResponse, ModelTarget, PagePayload, Prompt, SessionGone, Usage
from models.ai_calls import CallResult, ModelAnswer
from models.billing.ledger import OutOfTokens, TokenAllowance
from models.errors import NotFound
from tests.conftest import Stores
from tests.support.conditions import PATIENCE_S
from tests.support.killed_worker import killed_at
from tests.support.model_server import document_in, sensible

TARGET = ModelTarget("openai", "gpt-4.1-mini", None, None, 30.0, 1e7, 1e10, 8)
PAGES = [
    PagePayload(f"p_{n}", f"Page {n}", "a.example", f"Page {n} is about bread.", (), "en", f"d{n}") for n in (1, 2)
]

OnCall = Callable[[uuid.UUID], Awaitable[None]]


class ImmediateTransport:
    """Answers every prompt at once, after `on_call`, with a valid response of 120 and 30 tokens."""

    def __init__(self, on_call: OnCall | None = None) -> None:
        self._on_call = on_call

    async def complete(self, prompt: Prompt, target: ModelTarget, call_id: uuid.UUID) -> ModelResponse:
        if self._on_call is not None:
            await self._on_call(call_id)
        return ModelResponse(json.dumps(sensible(document_in(prompt.data), prompt.data)), Usage(120, 30))

    async def close(self) -> None:
        return None


def immediate_config(dsn: str, on_call: OnCall | None = None) -> CallContextConfig:
    endpoints = {"openai": ProviderEndpoint(SecretStr("a key"))}
    return CallContextConfig(dsn, endpoints, open_transport=lambda *_: ImmediateTransport(on_call))


def request_of(
    user_id: uuid.UUID, session_id: uuid.UUID, nonce: str = "", *, limit: int = 10**9, stores_texts: bool = False
) -> CallRequest:
    start = datetime.now(UTC) - timedelta(days=1)
    allowance = TokenAllowance(start, start + timedelta(days=30), limit)
    scope = CallScope(user_id, session_id, allowance, stores_texts=stores_texts, nonce=nonce)
    return CallRequest(scope, (TARGET,), "en", 1e12)


async def describe_in_a_process(dsn: str, user_id: uuid.UUID, session_id: uuid.UUID) -> None:
    await describe_pages(immediate_config(dsn), request_of(user_id, session_id), page_batches(PAGES))


@dataclass
class Payer:
    """A user with a stopped session, who pays for calls."""

    dsn: str
    pool: AsyncConnectionPool[Any]
    user_id: uuid.UUID
    session_id: uuid.UUID

    def config(self, on_call: OnCall | None = None) -> CallContextConfig:
        return immediate_config(self.dsn, on_call)

    def request(self, nonce: str = "", *, limit: int = 10**9, stores_texts: bool = False) -> CallRequest:
        return request_of(self.user_id, self.session_id, nonce, limit=limit, stores_texts=stores_texts)

    async def describe(self, on_call: OnCall | None = None, nonce: str = "") -> DescribeResult:
        return await describe_pages(self.config(on_call), self.request(nonce), page_batches(PAGES))

    async def wait_until_reserved(self, number: int) -> None:
        """Return when the user has `number` reservations, closed ones included."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.count("ledger_entries", "kind = 'reserve'") < number:
                await asyncio.sleep(0.01)

    async def count(self, table: str, condition: str = "true") -> int:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                f"SELECT count(*) FROM {table} WHERE user_id = %s AND {condition}",
                [self.user_id],
            )
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
async def payer(stores: Stores) -> AsyncIterator[Payer]:
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        stores.libpq, min_size=1, max_size=6, open=False, kwargs={"autocommit": True}
    )
    user, session = uuid.uuid4(), uuid.uuid4()
    async with pool:
        async with pool.connection() as connection:
            await connection.execute("INSERT INTO users (id, email) VALUES (%s, %s)", [user, f"{user.hex}@pay.example"])
            await connection.execute("INSERT INTO browsing_sessions (id, user_id) VALUES (%s, %s)", [session, user])
            await connection.execute("DELETE FROM provider_windows WHERE key = %s", [TARGET.key])
            state = json.dumps({"at": 0.0, "requests": 1e9, "tokens": 1e9})
            await connection.execute("INSERT INTO provider_windows (key, state) VALUES (%s, %s)", [TARGET.key, state])
        yield Payer(stores.libpq, pool, user, session)


async def test_a_response_arrives_while_its_charge_is_written_and_is_stored_after_it(payer: Payer) -> None:
    """A lock holds the charge back: the caller has the response, but nothing made of it is stored."""
    async with payer.pool.connection() as blocker:

        async def hold_the_charge_back(call_id: uuid.UUID) -> None:
            await blocker.execute("SELECT FROM ledger_entries WHERE call_id = %s FOR UPDATE", [call_id])

        async with open_call_context(payer.config(hold_the_charge_back), payer.request()) as context:
            async with blocker.transaction():
                call = await context.client.call(TARGET, "summarize", describe_prompt(PAGES), 5000)
                assert call.response.usage == Usage(120, 30)
                charged = asyncio.ensure_future(context.client.wait_until_charged())
                await wait_for_a_lock_of(payer, blocker)
                assert not charged.done()
            await charged
        assert await payer.count("ledger_entries", "kind = 'settle' AND tokens = 150") == 1

        async with blocker.transaction():
            describing = asyncio.ensure_future(
                describe_pages(payer.config(hold_the_charge_back), payer.request(), page_batches(PAGES))
            )
            await wait_for_a_lock_of(payer, blocker)
            assert await payer.count("ai_checkpoints") == 0
        assert len((await describing).pages) == len(PAGES)
        assert await payer.count("ai_checkpoints") == len(PAGES)


async def wait_for_a_lock_of(payer: Payer, blocker: Any) -> None:
    """Return when a connection waits for a lock of `blocker`."""
    async with payer.pool.connection() as connection, asyncio.timeout(PATIENCE_S):
        row = None
        while row is None:
            cursor = await connection.execute(
                "SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", [blocker.info.backend_pid]
            )
            row = await cursor.fetchone()


async def test_a_response_without_a_charge_is_not_stored(payer: Payer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(settlements, "complete_call", fail)
    with pytest.raises(psycopg.OperationalError):
        await payer.describe()
    assert await payer.count("ai_checkpoints") == 0
    monkeypatch.undo()
    # The task runs again, as Ray's retry does: the calls of before are lost, and nothing was charged for them.
    described = await payer.describe()
    assert len(described.pages) == len(PAGES)
    assert await payer.count("ai_checkpoints") == len(PAGES)
    assert await payer.count("ledger_entries", "kind = 'settle'") == 1


async def test_a_worker_killed_between_a_charge_and_the_use_of_the_response_has_no_call_paid_again(
    payer: Payer,
) -> None:
    calls: list[uuid.UUID] = []

    async def count(call_id: uuid.UUID) -> None:
        calls.append(call_id)

    work = (describe_in_a_process, payer.dsn, payer.user_id, payer.session_id)
    await killed_at("cluster.providers.steps.save_description", *work)
    assert await payer.count("ledger_entries", "kind = 'settle' AND tokens = 150") == 1
    assert await payer.count("ai_checkpoints") == 0
    # A user who asks for another map wants other answers; an attempt at the same map uses those that are paid.
    assert len((await payer.describe(count, nonce="after version 1")).pages) == len(PAGES)
    assert len(calls) == 1
    assert len((await payer.describe(count)).pages) == len(PAGES)
    assert len(calls) == 1
    assert await payer.count("ledger_entries", "kind = 'settle'") == 2
    assert await payer.count("ai_checkpoints") == len(PAGES)
    unread = "SELECT FROM ai_run_answers WHERE session_id = %s"
    async with payer.pool.connection() as connection:
        assert (await connection.execute(unread, [payer.session_id])).rowcount == 0
    await payer.describe(count)
    assert len(calls) == 2, "what was used is not kept"


async def test_a_rejected_response_is_refunded_after_its_charge(payer: Payer) -> None:
    async with open_call_context(payer.config(), payer.request()) as context:
        call = await context.client.call(TARGET, "summarize", describe_prompt(PAGES), 5000)
        await call.reject()
        assert await payer.count("ledger_entries", "kind = 'refund' AND tokens = 150") == 1


async def test_one_failed_settlement_does_not_prevent_the_others_of_its_transaction(payer: Payer) -> None:
    """The first write is on its way when three more arrive; these share a transaction, in which one fails."""
    result = CallResult(None, 0.1, 120, 30, 0, 0, 5, None)
    async with open_call_context(payer.config(), payer.request()) as context:
        prompts = [describe_prompt(pages) for pages in (PAGES, PAGES[:1], PAGES[1:])]
        calls = [await context.client.call(TARGET, "summarize", prompt, 5000) for prompt in prompts]
        await context.client.wait_until_charged()
    # The triggers of the ledger forbid to remove the settlements: an unknown call stands for one that fails.
    writer = SettlementWriter(payer.pool)
    call_ids = [calls[0].call_id, calls[1].call_id, uuid.uuid4(), calls[2].call_id]
    answer = ModelAnswer("digest", "an answer", is_truncated=False)
    outcomes = await asyncio.gather(
        *(writer.settle(call_id, result, answer) for call_id in call_ids), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), NotFound, type(None)]
    assert await payer.count("ledger_entries", "kind = 'settle'") == 3


async def test_a_call_recorded_ahead_is_sent_as_it_was_recorded(payer: Payer) -> None:
    sent: list[uuid.UUID] = []

    async def note(call_id: uuid.UUID) -> None:
        sent.append(call_id)

    async with open_call_context(payer.config(note), payer.request(stores_texts=True)) as context:
        # The markers of two prompts for the same pages differ.
        recorded, repeated = describe_prompt(PAGES), describe_prompt(PAGES)
        context.client.record_ahead(TARGET, "summarize", recorded, 5000)
        context.client.record_ahead(TARGET, "summarize", repeated, 5000)
        await payer.wait_until_reserved(1)
        assert sent == []
        await context.client.call(TARGET, "summarize", repeated, 5000)
    async with payer.pool.connection() as connection:
        rows = await connection.execute(
            "SELECT c.id, c.status, t.sent FROM ai_calls c JOIN ai_call_texts t ON t.call_id = c.id"
            " WHERE c.user_id = %s",
            [payer.user_id],
        )
        assert await rows.fetchall() == [(sent[0], "ok", recorded.data)]
    assert await payer.count("ledger_entries", "kind = 'reserve'") == 1
    assert await payer.count("ledger_entries", "kind = 'settle' AND tokens = 150") == 1


async def test_a_call_recorded_ahead_is_not_sent_for_a_deleted_session(payer: Payer) -> None:
    sent: list[uuid.UUID] = []

    async def note(call_id: uuid.UUID) -> None:
        sent.append(call_id)

    async with open_call_context(payer.config(note), payer.request()) as context:
        context.client.record_ahead(TARGET, "summarize", describe_prompt(PAGES), 5000)
        await payer.wait_until_reserved(1)
        async with payer.pool.connection() as connection:
            await connection.execute(
                "UPDATE browsing_sessions SET deleted_at = now() WHERE id = %s", [payer.session_id]
            )
        with pytest.raises(SessionGone):
            await context.client.call(TARGET, "summarize", describe_prompt(PAGES), 5000)
    assert sent == []
    assert await payer.count("ai_calls") == 0
    assert await payer.count("ledger_entries", "kind = 'release'") == 1


async def test_a_call_recorded_ahead_and_never_made_leaves_nothing(payer: Payer) -> None:
    async with open_call_context(payer.config(), payer.request()) as context:
        context.client.record_ahead(TARGET, "summarize", describe_prompt(PAGES), 5000)
        await payer.wait_until_reserved(1)
    assert await payer.count("ai_calls") == 0
    assert await payer.count("ledger_entries", "kind = 'release'") == 1


async def test_a_call_recorded_ahead_yields_its_tokens_to_one_that_starts_before_it(payer: Payer) -> None:
    """The tokens suffice for one call at a time: what is set aside for the next one must not stop this one."""
    async with open_call_context(payer.config(), payer.request(limit=6000)) as context:
        context.client.record_ahead(TARGET, "summarize", describe_prompt(PAGES), 5000)
        await payer.wait_until_reserved(1)
        for pages in (PAGES[:1], PAGES, PAGES[1:]):
            call = await context.client.call(TARGET, "summarize", describe_prompt(pages), 5000)
            assert call.response.usage == Usage(120, 30)
            await context.client.wait_until_charged()
        context.client.record_ahead(TARGET, "summarize", describe_prompt(PAGES), 5000)
        await payer.wait_until_reserved(5)
        with pytest.raises(OutOfTokens):
            await context.client.call(TARGET, "summarize", describe_prompt(PAGES[:1]), 6000)
    assert await payer.count("ledger_entries", "kind = 'settle' AND tokens = 150") == 3
    assert await payer.count("ai_calls") == 3


async def test_batches_that_follow_are_recorded_while_the_first_ones_run(payer: Payer) -> None:
    """With all places taken by calls that run, the next batch is recorded; then each batch is described once."""
    batches = [[PagePayload(f"p_{n}", f"Page {n}", "a.example", f"Page {n}.", (), "en", f"e{n}")] for n in range(18)]
    sent: list[uuid.UUID] = []

    async def run_until_the_next_are_recorded(call_id: uuid.UUID) -> None:
        sent.append(call_id)
        await payer.wait_until_reserved(len(batches))

    described = await describe_pages(payer.config(run_until_the_next_are_recorded), payer.request(), batches)
    assert len(described.pages) == len(batches)
    assert len(set(sent)) == len(batches)
    assert await payer.count("ledger_entries", "kind = 'reserve'") == len(batches)
    assert await payer.count("ledger_entries", "kind = 'settle' AND tokens = 150") == len(batches)
    assert await payer.count("ledger_entries", "kind = 'release'") == 0
