"""The FastAPI application and its factory. `serve.deployments` wraps it into Ray Serve deployments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from actors.garbage_collection import collect_garbage_seldom
from actors.session_shard import SHARD_MAP_POLL_S
from cluster.logging_setup import configure_logs
from cluster.mail.sender import WITHOUT_MAIL
from cluster.ray_internals import disable_serve_request_ids, serve_directly
from cluster.scheduling.shards import connect_shard
from cluster.settings import Settings, load_settings
from serve.dashboard import install_dashboard
from serve.events_endpoint import EventsEndpoint, SmallBatches
from serve.http.cors import with_cors
from serve.http.database_probe import DatabaseProbe
from serve.http.errors import install_error_handlers
from serve.http.head import HeadMiddleware
from serve.http.middleware import RequestMiddleware, is_events_request
from serve.openapi.document import install_openapi, operation_id
from serve.openapi.swagger_ui import install_docs
from serve.routes import (
    account,
    admin,
    admin_billing,
    admin_holds,
    admin_runs,
    ai,
    api_keys,
    auth,
    billing,
    email_verification,
    events,
    exports,
    extension_link,
    extension_package,
    google,
    health,
    ingest_report,
    joint_map_contents,
    joint_map_edits,
    joint_maps,
    mail,
    map_edits,
    map_versions,
    metrics,
    mindmaps,
    page_texts,
    passwords,
    pictures,
    receipts,
    search,
    server_info,
    sessions,
    sharing,
    streams,
    threads,
    usage,
    webhooks,
)
from serve.state import open_state
from telemetry.metrics import HTTP_REQUEST_SECONDS, HTTP_REQUESTS, REGISTRY
from telemetry.ray_export import export_to_ray, ray_collects_metrics
from telemetry.traces import stop_traces

log = structlog.get_logger("serve")

__all__ = ["create_api", "create_app", "with_middleware"]


def create_api(settings: Settings, find_shard: Callable[[int], Any]) -> FastAPI:
    """The FastAPI app. `find_shard` returns the actor handle of a shard by its number."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = app.state.parts = open_state(settings, find_shard)
        shard_map_task = asyncio.create_task(parts.shards.follow_shard_map(parts.shard_map, SHARD_MAP_POLL_S))
        REGISTRY.add_collector(parts.set_connection_gauges)
        yield
        REGISTRY.remove_collector(parts.set_connection_gauges)
        shard_map_task.cancel()
        await asyncio.wait([shard_map_task])
        await parts.close()
        # The last spans; in a thread, because an address that does not answer takes seconds.
        await asyncio.to_thread(stop_traces)

    app = FastAPI(
        title="Trailmind",
        version="1",
        summary="Records browsing sessions and turns them into mind maps.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    install_openapi(app)
    install_error_handlers(app)
    # A request is compared with the routes one by one: those that are called most come first.
    for routes in (
        events,
        webhooks,
        health,
        server_info,
        extension_package,
        metrics,
        auth,
        passwords,
        email_verification,
        extension_link,
        api_keys,
        google,
        sessions,
        page_texts,
        mindmaps,
        streams,
        map_edits,
        map_versions,
        joint_maps,
        joint_map_contents,
        joint_map_edits,
        threads,
        ai,
        ingest_report,
        exports,
        sharing,
        pictures,
        search,
        account,
        usage,
        billing,
        mail,
        receipts,
        admin,
        admin_billing,
        admin_holds,
        admin_runs,
    ):
        app.include_router(routes.router)
    install_docs(app)
    install_dashboard(app)
    return app


def with_middleware(api: FastAPI, settings: Settings) -> ASGIApp:
    """`api` inside the middleware that every request passes: limits and ids, gzip, CORS."""
    return RequestMiddleware(
        SmallBatches(
            # A map of 1,000 nodes is 1.5 MB of text; gzip takes 8 ms and saves six sevenths. Small responses, among
            # them those with tokens, are not compressed (BREACH).
            HeadMiddleware(GZipMiddleware(with_cors(api, settings), minimum_size=8192, compresslevel=3)),
            with_cors(EventsEndpoint(api), settings),
        ),
        loopback_only=settings.server.exposure == "loopback",
        hosts=(urlsplit(settings.server.origin).hostname or "", *settings.server.allowed_hosts),
        timeout_s=settings.server.request_timeout_s,
        https_only=settings.server.origin.startswith("https://"),
        is_database_silent=DatabaseProbe(settings.database.postgres_dsn).is_silent,
        observe=_count_request,
    )


def _count_request(method: str, route: str, status: int, took_s: float) -> None:
    HTTP_REQUESTS.labels(method=method, route=route, status=str(status)).inc()
    HTTP_REQUEST_SECONDS.labels(method=method, route=route).observe(took_s)


def create_app() -> ASGIApp:
    """The app of a replica, configured by the environment."""
    settings = load_settings()
    configure_logs(settings)
    if settings.environment == "production" and settings.mail.server_url is None:
        log.warning("mail_server_missing", effect=WITHOUT_MAIL)
    export_to_ray()
    disable_serve_request_ids()
    app = with_middleware(create_api(settings, partial(connect_shard, settings)), settings)
    serve_directly(app, is_events_request, has_metrics=ray_collects_metrics())
    collect_garbage_seldom()
    return app
