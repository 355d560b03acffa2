"""The notifications of all open streams of one replica, over one connection to Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnectionError
from redis.exceptions import RedisError

log = structlog.get_logger("serve")

#: Without a message for this long, Valkey has to answer a ping within the same time.
PING_S = 10.0
#: A stream with more unsent notifications is ended; its client reads the whole state when it connects again.
MAX_WAITING = 1_000
#: How long a subscription may take.
_CONFIRM_S = 5.0


class Subscription:
    """The notifications of one channel for one stream."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._is_lost = False

    async def get(self) -> bytes | None:
        """The next notification; None when one may have been missed, and permanently after that."""
        if self._is_lost:
            return None
        data = await self._waiting.get()
        return None if self._is_lost else data

    def put(self, data: bytes) -> None:
        """Add a notification."""
        try:
            self._waiting.put_nowait(data)
        except asyncio.QueueFull:
            self.lose()

    def lose(self) -> None:
        """End the subscription: a notification may have been missed."""
        self._is_lost = True
        if self._waiting.empty():
            self._waiting.put_nowait(b"")


class _Channel:
    def __init__(self) -> None:
        self.is_confirmed = asyncio.Event()
        self.subscriptions: set[Subscription] = set()


class NotificationHub:
    """Subscribes each channel once, and hands its messages to all streams that watch it.

    A lost connection is not opened again behind the streams: Valkey delivers each message at most once, so all of them
    end, and their clients connect again and read the state.
    """

    def __init__(self, url: str, *, ping_s: float = PING_S) -> None:
        # redis-py would connect again by itself, and the streams would not know that messages were missed.
        no_retry = Retry(NoBackoff(), 0)
        self._valkey = Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=no_retry)
        self._ping_s = ping_s
        self._pubsub: PubSub | None = None
        self._reader: asyncio.Task[None] | None = None
        self._channels: dict[str, _Channel] = {}
        # Two streams that come and go must not overtake each other with SUBSCRIBE and UNSUBSCRIBE.
        self._commands = asyncio.Lock()

    @asynccontextmanager
    async def subscribe(self, name: str) -> AsyncIterator[Subscription]:
        """The notifications of a channel from now on, inside the block. Raises RedisError or TimeoutError."""
        subscription = Subscription()
        try:
            async with self._commands:
                channel = await self._joined(name, subscription)
            # Not inside the lock: the confirmation of one stream does not delay the others.
            async with asyncio.timeout(_CONFIRM_S):
                await channel.is_confirmed.wait()
            yield subscription
        finally:
            await self._leave(name, subscription)

    async def close(self) -> None:
        """End all subscriptions and close the connection."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._valkey.aclose()

    async def _joined(self, name: str, subscription: Subscription) -> _Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel()
            channel.subscriptions.add(subscription)
            if self._pubsub is None:
                self._pubsub = self._valkey.pubsub()
            await self._pubsub.subscribe(name)
            if self._reader is None and self._pubsub is not None:
                self._reader = asyncio.create_task(self._read(self._pubsub))
        channel.subscriptions.add(subscription)
        return channel

    async def _leave(self, name: str, subscription: Subscription) -> None:
        async with self._commands:
            channel = self._channels.get(name)
            if channel is None or subscription not in channel.subscriptions:
                return
            channel.subscriptions.discard(subscription)
            if channel.subscriptions:
                return
            del self._channels[name]
            if self._pubsub is not None:
                try:
                    await self._pubsub.unsubscribe(name)
                except (RedisError, OSError) as error:
                    log.warning("valkey_unreachable", operation="streams", error=type(error).__name__)

    async def _read(self, pubsub: PubSub) -> None:
        try:
            await self._dispatch(pubsub)
        except (RedisError, OSError) as error:
            log.warning("valkey_unreachable", operation="streams", error=type(error).__name__)
        finally:
            self._pubsub = self._reader = None
            lost, self._channels = self._channels, {}
            for channel in lost.values():
                channel.is_confirmed.set()
                for subscription in channel.subscriptions:
                    subscription.lose()
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _dispatch(self, pubsub: PubSub) -> None:
        is_pinged = False
        while True:
            message = await pubsub.get_message(timeout=self._ping_s)
            if message is None:
                if is_pinged:
                    raise LostConnectionError("Valkey does not answer")
                await pubsub.ping()
                is_pinged = True
                continue
            is_pinged = False
            channel = self._channels.get((message["channel"] or b"").decode())
            if channel is None:
                continue
            if message["type"] == "subscribe":
                channel.is_confirmed.set()
            elif message["type"] == "message":
                for subscription in channel.subscriptions:
                    subscription.put(message["data"])
