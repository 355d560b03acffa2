"""Stores received webhooks: one statement for those that arrive while another one is in progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from actors.batcher import RequestBatcher
from models.billing.webhook_inbox import ReceivedEvent, store_events
from models.database import Connection
from models.jobs import enqueue_webhook_handling

#: About what an event needs in a request to PostgreSQL; the object in the payload is not stored.
_EVENT_BYTES = 500


class WebhookInbox:
    """Stores webhooks in groups, so that many at once cost few commits, and wakes the job that handles them.

    `connect` opens a connection in autocommit mode: a group takes two statements, and no transaction around them.
    """

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[Connection]]) -> None:
        self._connect = connect
        self._batcher: RequestBatcher[ReceivedEvent, bool] = RequestBatcher(self._store)

    async def store(self, event: ReceivedEvent) -> bool:
        """Store an event durably; returns False for one that is stored already."""
        return await self._batcher.submit(event, _EVENT_BYTES)

    async def _store(self, events: Sequence[ReceivedEvent]) -> list[bool]:
        async with self._connect() as connection:
            new_ids = await store_events(connection, events)
            if new_ids:
                # The events are committed: a job that waits now starts later, and finds them.
                await enqueue_webhook_handling(connection)
        is_new = []
        for event in events:
            is_new.append(event.id in new_ids)
            # The second of two deliveries in one group is a repeat.
            new_ids.discard(event.id)
        return is_new
