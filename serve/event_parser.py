"""Parses the bodies of event requests without delaying the requests of other users."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from weakref import WeakValueDictionary

from models.recording.ingest import IngestBatch, parse_batch

#: Larger bodies are parsed outside the event loop.
INLINE_BYTES = 32 * 1024
#: Larger bodies of one user that a replica holds in memory at the same time; the others wait in the network.
MAX_LARGE_BODIES = 4


class EventParser:
    """Parses small bodies at once, large ones in a thread: one at a time, and users take turns.

    One thread, because Python runs one thread at a time: with more, the event loop would wait longer for its turn.
    """

    def __init__(self, *, allow_private_networks: bool) -> None:
        self._parse = partial(parse_batch, allow_private_networks=allow_private_networks)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="parse-events")
        self._turns: WeakValueDictionary[uuid.UUID, asyncio.Lock] = WeakValueDictionary()
        self._large_bodies: WeakValueDictionary[uuid.UUID, asyncio.Semaphore] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def room_for_large_body(self, user_id: uuid.UUID) -> AsyncIterator[None]:
        """Wait until the user has fewer than MAX_LARGE_BODIES large bodies in memory; the body of the block has one.

        Bodies that arrive slowly would otherwise fill the memory of the replica: each connection holds up to 4 MB.
        """
        room = self._large_bodies.get(user_id) or asyncio.Semaphore(MAX_LARGE_BODIES)
        self._large_bodies[user_id] = room
        async with room:
            yield

    async def parse(self, body: bytes, *, user_id: uuid.UUID, session_id: uuid.UUID) -> IngestBatch:
        """The batch in `body`. Raises as `parse_batch` does."""
        if len(body) <= INLINE_BYTES:
            return self._parse(body, user_id=user_id, session_id=session_id)
        turn = self._turns.get(user_id) or asyncio.Lock()
        self._turns[user_id] = turn
        async with turn:
            return await asyncio.get_running_loop().run_in_executor(
                self._executor, partial(self._parse, body, user_id=user_id, session_id=session_id)
            )

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)
