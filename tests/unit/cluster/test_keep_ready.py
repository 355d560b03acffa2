"""The processes that make maps stay while a user records."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.jobs import worker


class _Pool:
    @asynccontextmanager
    async def connection(self) -> Any:
        yield None


async def test_the_processes_are_used_while_a_user_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once at the start, never while no user records, and again after an error of the database."""
    answers: list[bool | Exception] = [False, True, True, OSError("no database"), False, True]
    num_uses, uses_at_question = 0, []
    num_prepared: list[int] = []
    finished = asyncio.Event()

    async def has_open_recording(connection: Any, age: Any) -> bool:
        uses_at_question.append(num_uses)
        if not answers:
            finished.set()
            await asyncio.Event().wait()
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def warm_up() -> None:
        nonlocal num_uses
        num_uses += 1

    class Preparer:
        num_forgotten = 0

        async def prepare(self, age: Any) -> int:
            num_prepared.append(num_uses)
            return 0

        def forget(self) -> None:
            self.num_forgotten += 1

    monkeypatch.setattr(worker, "WARM_UP_DELAY_S", 0.0)
    monkeypatch.setattr(worker, "KEEP_READY_PERIOD_S", 0.0)
    monkeypatch.setattr(worker, "has_open_recording", has_open_recording)
    pool: Any = _Pool()
    preparer: Any = Preparer()
    keeping = asyncio.create_task(worker._keep_ready(pool, warm_up, preparer))
    await asyncio.wait_for(finished.wait(), timeout=30)
    keeping.cancel()
    assert uses_at_question == [1, 1, 2, 3, 3, 3, 4]
    assert num_prepared == [2, 3, 4]
    assert preparer.num_forgotten == 2, "what was read of pages is forgotten when no user records"
