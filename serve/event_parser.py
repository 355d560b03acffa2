"""Parses the bodies of event requests without delaying the requests of other users."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from weakref import WeakValueDictionary

from models.recording.ingest import IngestBatch, parse_batch

#: Larger bodies are parsed outside the event loop.
INLINE_BYTES = 32 * 1024


class EventParser:
    """Parses small bodies at once, large ones in a thread: one at a time, and users take turns.

    One thread, because Python runs one thread at a time: with more, the event loop would wait longer for its turn.
    """

    def __init__(self, *, allow_private_networks: bool) -> None:
        self._parse = partial(parse_batch, allow_private_networks=allow_private_networks)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="parse-events")
        self._turns: WeakValueDictionary[uuid.UUID, asyncio.Lock] = WeakValueDictionary()

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
