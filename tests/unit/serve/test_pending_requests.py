"""Requests that wait long for their response, on a clock of the test's own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from serve.http.pending_requests import FixedDelay, PendingRequests

pytestmark = pytest.mark.looptime


@dataclass(eq=False)
class Request:
    """Remembers what happened to it, and when."""

    said: list[tuple[str, float]] = field(default_factory=list)

    def expire(self) -> None:
        self.said.append(("expired", round(asyncio.get_running_loop().time(), 3)))

    def end_without_database(self) -> None:
        self.said.append(("no database", round(asyncio.get_running_loop().time(), 3)))


class Database:
    """Answers after `answers_after_s` whether it is silent, and remembers when it was asked."""

    def __init__(self, *, is_silent: bool = False, answers_after_s: float = 0.0) -> None:
        self.is_silent, self._answers_after_s = is_silent, answers_after_s
        self.asked_at: list[float] = []

    async def is_database_silent(self) -> bool:
        self.asked_at.append(round(asyncio.get_running_loop().time(), 3))
        await asyncio.sleep(self._answers_after_s)
        return self.is_silent


async def test_each_item_is_due_after_its_own_delay_and_one_timer_is_enough() -> None:
    due = list[tuple[str, float]]()
    loop = asyncio.get_running_loop()
    delay = FixedDelay[str](2.0, lambda items: due.extend((item, round(loop.time(), 3)) for item in items))
    delay.add("first")
    await asyncio.sleep(0.5)
    delay.add("removed")
    delay.add("second")
    delay.remove("removed")
    delay.remove("never added")
    await asyncio.sleep(10)
    assert due == [("first", 2.0), ("second", 2.5)]
    # Nothing was left, so the next one starts a timer again.
    delay.add("third")
    await asyncio.sleep(10)
    assert due[2:] == [("third", 12.5)]


async def test_a_request_expires_and_the_database_is_checked_until_then() -> None:
    database, request = Database(), Request()
    PendingRequests(7.0, 2.0, database.is_database_silent).add(request)
    await asyncio.sleep(6.5)
    assert (database.asked_at, request.said) == ([2.0, 4.0, 6.0], [])
    await asyncio.sleep(1)
    assert request.said == [("expired", 7.0)]


async def test_requests_of_a_silent_database_end_after_one_check_each() -> None:
    database = Database(is_silent=True, answers_after_s=3.0)
    pending, early, late = PendingRequests(60.0, 2.0, database.is_database_silent), Request(), Request()
    pending.add(early)
    await asyncio.sleep(1)
    pending.add(late)
    await asyncio.sleep(20)
    assert (early.said, late.said) == ([("no database", 5.0)], [("no database", 6.0)])
    assert database.asked_at == [2.0, 3.0]


async def test_a_request_that_is_answered_during_the_check_is_left_alone() -> None:
    database, request = Database(is_silent=True, answers_after_s=3.0), Request()
    pending = PendingRequests(60.0, 2.0, database.is_database_silent)
    pending.add(request)
    await asyncio.sleep(4)
    pending.remove(request)
    await asyncio.sleep(100)
    assert request.said == []


async def test_without_a_database_only_the_limit_of_time_holds() -> None:
    request = Request()
    PendingRequests(3.0, 2.0, None).add(request)
    await asyncio.sleep(10)
    assert request.said == [("expired", 3.0)]
