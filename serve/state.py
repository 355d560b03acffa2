"""The state that the routes of one replica share, created when the app starts."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.driver_info import DriverInfo
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from actors.session_buffers import PostgresBuffers
from cluster.billing.purchases import Purchases
from cluster.billing.stripe_gateway import StripeGateway
from cluster.mail.queue import MailQueue
from cluster.maps.live_maps import LiveMaps
from cluster.scheduling.autoscaling import MAX_ONGOING_REQUESTS
from cluster.scheduling.shards import buffer_limits
from cluster.settings import Settings
from models.accounts.logins import LoginStatus, family_statuses
from models.database import Connection
from models.recording.shard_map import ShardMap, read_shard_map
from serve.database import pooled_connection
from serve.event_parser import EventParser
from serve.http.client_address import ClientAddresses
from serve.http.rate_limits import RateLimiter
from serve.identity.access_tokens import LoginTokens
from serve.identity.login_cache import LoginCache
from serve.identity.openid import GoogleSignIn
from serve.png_drawing import PngDrawer
from serve.shard_router import ShardRouter
from serve.streams.notification_hub import NotificationHub
from serve.streams.open_streams import OpenStreams
from serve.streams.stream_checks import StreamChecks
from serve.webhook_inbox import WebhookInbox
from telemetry.metrics import record_connections

#: Connections of one replica to Valkey: an ongoing request may need one, and redis-py allows 100 unless told otherwise.
MAX_VALKEY_CONNECTIONS = MAX_ONGOING_REQUESTS + 1_000


@dataclass(slots=True)
class AppState:
    """Clients, caches and settings of one replica."""

    settings: Settings
    engine: AsyncEngine
    session_factory: async_sessionmaker[AsyncSession]
    valkey: Redis
    shards: ShardRouter
    login_tokens: LoginTokens
    login_cache: LoginCache
    client_addresses: ClientAddresses
    rate_limiter: RateLimiter
    open_streams: OpenStreams
    stream_checks: StreamChecks
    notifications: NotificationHub
    mail_queue: MailQueue
    google: GoogleSignIn
    live_maps: LiveMaps
    png_drawer: PngDrawer
    event_parser: EventParser
    webhook_inbox: WebhookInbox
    #: None without a Stripe key.
    purchases: Purchases | None = None
    #: Held while a report of a run is made.
    report_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: By user id: the task that adds the user's older sessions to the search index.
    indexing_tasks: dict[uuid.UUID, asyncio.Task[None]] = field(default_factory=dict)
    #: By key id: digest of the secret and owner of recently used API keys.
    api_keys: dict[uuid.UUID, tuple[bytes, uuid.UUID]] = field(default_factory=dict)

    def open_connection(self) -> AbstractAsyncContextManager[Connection]:
        """A psycopg connection from the pool, outside a request's transaction. The caller commits."""
        return pooled_connection(self.engine)

    async def shard_map(self) -> ShardMap:
        """The current shard map: how many shards there should be."""
        async with self.open_connection() as connection:
            return await read_shard_map(connection, self.settings.scaling.num_shards)

    def set_connection_gauges(self) -> None:
        """Set the gauges of the database connections in use and idle."""
        pool: Any = self.engine.pool
        record_connections("api", used=pool.checkedout(), idle=pool.checkedin())

    async def close(self) -> None:
        """Flush buffered events, then close all connections."""
        await self.shards.close()
        self.event_parser.close()
        await self.live_maps.close()
        await self.stream_checks.close()
        await self.notifications.close()
        if self.purchases is not None:
            await self.purchases.gateway.close()
        for task in list(self.indexing_tasks.values()):
            task.cancel()
        await asyncio.gather(*self.indexing_tasks.values(), return_exceptions=True)
        await self.valkey.aclose()
        await self.engine.dispose()


async def _login_statuses(
    session_factory: async_sessionmaker[AsyncSession], family_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, LoginStatus]:
    async with session_factory() as db:
        return await family_statuses(db, family_ids)


def open_state(settings: Settings, connect_shard: Any) -> AppState:
    """The state, not yet connected: each client connects on first use and reconnects after a failure."""
    engine = create_async_engine(
        settings.database.sqlalchemy_url,
        pool_size=settings.database.pool_size,
        max_overflow=5,
        pool_timeout=5,
        pool_pre_ping=True,
    )
    valkey = Redis.from_url(
        settings.valkey.connection_url,
        socket_timeout=2.0,
        socket_connect_timeout=2.0,
        max_connections=MAX_VALKEY_CONNECTIONS,
        # Without it each new connection parses the metadata of the installed package: 1.6 ms.
        driver_info=DriverInfo(),
    )
    session_factory = async_sessionmaker(engine, expire_on_commit=False)
    login_cache = LoginCache(valkey, partial(_login_statuses, session_factory))
    rate_limiter = RateLimiter(valkey, settings)
    open_streams = OpenStreams(valkey, settings.limits.streams_per_user)
    purchases = None
    if settings.billing.is_enabled:
        gateway = StripeGateway(settings.billing, settings.server.origin)
        purchases = Purchases(gateway, partial(pooled_connection, engine))

    return AppState(
        settings=settings,
        engine=engine,
        session_factory=session_factory,
        valkey=valkey,
        shards=ShardRouter(
            settings.scaling.num_shards,
            connect_shard,
            PostgresBuffers(
                settings.database.postgres_dsn, buffer_limits(settings), max_connections=2, writer="replica"
            ),
            timeout_s=settings.recording.shard_timeout_s,
        ),
        login_tokens=LoginTokens(
            settings.auth.signing_keys,
            access_ttl_s=settings.auth.access_token_ttl_s,
            refresh_ttl_s=settings.auth.refresh_token_ttl_s,
            long_lived_ttl_s=settings.auth.long_lived_token_ttl_s,
        ),
        login_cache=login_cache,
        client_addresses=ClientAddresses(settings),
        rate_limiter=rate_limiter,
        open_streams=open_streams,
        stream_checks=StreamChecks(session_factory, login_cache, open_streams if rate_limiter.is_enabled else None),
        notifications=NotificationHub(settings.valkey.connection_url),
        mail_queue=MailQueue(settings),
        google=GoogleSignIn(settings),
        live_maps=LiveMaps(partial(pooled_connection, engine), valkey),
        png_drawer=PngDrawer(),
        event_parser=EventParser(allow_private_networks=settings.recording.record_private_networks),
        webhook_inbox=WebhookInbox(partial(pooled_connection, engine.execution_options(isolation_level="AUTOCOMMIT"))),
        purchases=purchases,
    )
