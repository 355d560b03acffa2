"""The parser of event requests: how many large bodies of one user are in memory, and how soon the next is parsed."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest

from serve.event_parser import MAX_LARGE_BODIES, EventParser


async def test_one_user_has_a_limited_number_of_large_bodies_in_memory() -> None:
    parser, arrived = EventParser(allow_private_networks=False), asyncio.Event()
    greedy, other = uuid.uuid4(), uuid.uuid4()
    num_open = 0

    async def upload(user_id: uuid.UUID) -> None:
        nonlocal num_open
        async with parser.room_for_large_body(user_id):
            num_open += 1
            await arrived.wait()

    uploads = [asyncio.create_task(upload(greedy)) for _ in range(MAX_LARGE_BODIES + 5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert num_open == MAX_LARGE_BODIES
    # An upload that ends early, as at a time-out, makes room for the next one; other users have room of their own.
    uploads[0].cancel()
    await asyncio.wait([uploads[0]])
    uploads.append(asyncio.create_task(upload(other)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert num_open == MAX_LARGE_BODIES + 2
    arrived.set()
    await asyncio.wait(uploads)
    assert num_open == len(uploads)
    parser.close()


@pytest.mark.parametrize("text", ["Bears eat honey. ", "https://example.com/?a=b&token=c "])
async def test_the_next_large_body_of_a_user_waits_in_proportion_to_the_cost_of_the_last(text: str) -> None:
    waits: list[float] = []

    async def sleep(wait_s: float) -> None:
        waits.append(wait_s)

    parser, user, session = EventParser(allow_private_networks=False, sleep=sleep), uuid.uuid4(), uuid.uuid4()

    def body(size: int) -> bytes:
        event = {"type": "page_visit", "timestamp": 1_760_000_000_000, "url": "https://e.com/a"}
        return json.dumps({"events": [event | {"content": text * (size // len(text))}]}).encode()

    for user_id, size in ((user, 100), (user, 3_000_000), (user, 40_000), (uuid.uuid4(), 40_000), (user, 100)):
        assert len((await parser.parse(body(size), user_id=user_id, session_id=session)).rows) == 1
    # Neither another user nor a small body has waited; 3 MB cost at least 1.4 s beside their parsing.
    assert len(waits) == 1
    assert 0 < waits[0] <= 15
    parser.close()
