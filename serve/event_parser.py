"""Parses the bodies of event requests without delaying the requests of other users."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from weakref import WeakValueDictionary

from models.recording.ingest import IngestBatch, parse_batch

#: Larger bodies are parsed outside the event loop.
INLINE_BYTES = 32 * 1024
#: Larger bodies of one user that a replica holds in memory at the same time; the others wait in the network.
MAX_LARGE_BODIES = 4
#: A user's large bodies take at most about one part in so many of the time of a replica: the next one waits.
_PAUSE_FACTOR = 19
#: What a byte costs beside its parsing, in seconds: it travels to the shard and is written to the database.
_S_PER_BYTE = 1 / 40e6
#: Longest wait before the next large body of the same user, well below the time-out of a request.
_MAX_PAUSE_S = 15.0
#: Users whose pauses a replica remembers; the ones that sent a large body longest ago are forgotten.
_MAX_TURNS = 10_000


class _Turn:
    """One user's turn to have a large body parsed, not before `free_at` on the clock of the event loop."""

    def __init__(self) -> None:
        self.lock, self.free_at = asyncio.Lock(), 0.0


class EventParser:
    """Parses small bodies at once, large ones in a thread: one at a time, and users take turns.

    One thread, because Python runs one thread at a time: with more, the event loop would wait longer for its turn. The
    thread takes time from the event loop, so a user who sends large bodies without a break is slowed down in proportion
    to what they cost.
    """

    def __init__(
        self, *, allow_private_networks: bool, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._parse = partial(parse_batch, allow_private_networks=allow_private_networks)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="parse-events")
        self._turns: OrderedDict[uuid.UUID, _Turn] = OrderedDict()
        self._large_bodies: WeakValueDictionary[uuid.UUID, asyncio.Semaphore] = WeakValueDictionary()
        self._sleep = sleep

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
        turn, loop = self._turn(user_id), asyncio.get_running_loop()
        async with turn.lock:
            if (wait_s := turn.free_at - loop.time()) > 0:
                await self._sleep(wait_s)
            cpu_s = 0.0

            def parse() -> IngestBatch:
                nonlocal cpu_s
                began = time.thread_time()
                try:
                    return self._parse(body, user_id=user_id, session_id=session_id)
                finally:
                    cpu_s = time.thread_time() - began

            try:
                return await loop.run_in_executor(self._executor, parse)
            finally:
                pause_s = _PAUSE_FACTOR * (cpu_s + len(body) * _S_PER_BYTE)
                turn.free_at = loop.time() + min(pause_s, _MAX_PAUSE_S)

    def _turn(self, user_id: uuid.UUID) -> _Turn:
        turn = self._turns.setdefault(user_id, _Turn())
        self._turns.move_to_end(user_id)
        if len(self._turns) > _MAX_TURNS:
            self._turns.popitem(last=False)
        return turn

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)
