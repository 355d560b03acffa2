"""Writes the results and charges of completed calls in the background, those that wait in one transaction.

A caller has its response while the charge is being written, so that only the reservation before a call delays it.
Nothing made of a response may be stored, or leave the process, before `MeteredClient.wait_until_charged` returns: a
process that is killed before that loses the response together with its charge. Charge and response are stored in one
transaction, so that after it the next attempt has the response without another call.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool

from actors.batcher import RequestBatcher
from models.ai_calls import CallResult, ModelAnswer, complete_call, complete_run_call
from models.database import Connection

log = structlog.get_logger("providers")


@dataclass(frozen=True, slots=True)
class _Settlement:
    call_id: uuid.UUID
    result: CallResult
    answer: ModelAnswer
    is_paid_by_run: bool

    async def write(self, connection: Connection) -> None:
        complete = complete_run_call if self.is_paid_by_run else complete_call
        await complete(connection, self.call_id, self.result, self.answer)


class SettlementWriter:
    """Settles calls on one pool, one transaction at a time. One for all clients of a process: they share commits."""

    def __init__(self, pool: AsyncConnectionPool[Any]) -> None:
        self._pool = pool
        self._batcher: RequestBatcher[_Settlement, Exception | None] = RequestBatcher(self._write)

    async def settle(
        self, call_id: uuid.UUID, result: CallResult, answer: ModelAnswer, *, is_paid_by_run: bool = False
    ) -> None:
        """Return when the result, the response and the charge of the call are stored. Raises what PostgreSQL raised."""
        size = len(answer.text) + len(result.text or "")
        error = await self._batcher.submit(_Settlement(call_id, result, answer, is_paid_by_run), size)
        if error is not None:
            raise error

    async def _write(self, batch: list[_Settlement]) -> list[Exception | None]:
        if len(batch) > 1:
            try:
                async with self._pool.connection() as connection, connection.transaction():
                    for each in batch:
                        await each.write(connection)
                return [None] * len(batch)
            except Exception as error:
                # One of them may be the reason, and must not prevent the charges of the others.
                log.warning("settlements_repeated_one_by_one", num_calls=len(batch), error=type(error).__name__)
        return [await self._write_one(each) for each in batch]

    async def _write_one(self, settlement: _Settlement) -> Exception | None:
        try:
            async with self._pool.connection() as connection:
                await settlement.write(connection)
        except Exception as error:
            return error
        return None
