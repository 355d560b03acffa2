"""The parser of event requests: how many large bodies of one user are in memory."""

from __future__ import annotations

import asyncio
import uuid

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
