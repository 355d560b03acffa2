"""Metrics of the database in the text format of Prometheus."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from cluster.jobs.database_metrics import database_metrics
from cluster.settings import Settings
from models.errors import NotFound
from serve.dependencies import State

router = APIRouter(include_in_schema=False)


def _may_read(settings: Settings, request: Request) -> bool:
    """Whether the request has the configured token.

    Without a configured token, only a loopback server shows metrics: its middleware refuses other machines. On an
    exposed server every client behind a proxy looks like this machine.
    """
    if settings.server.metrics_token is None:
        return settings.server.exposure == "loopback"
    header = request.headers.get("authorization", "")
    expected = f"Bearer {settings.server.metrics_token.get_secret_value()}"
    return hmac.compare_digest(header.encode("utf-8", "replace"), expected.encode())


@router.get("/metrics")
async def metrics(request: Request, state: State) -> Response:
    """The database's gauges. Every replica returns the same, so scrape the Service, not the Pods."""
    if not _may_read(state.settings, request):
        raise NotFound("no such address")
    async with state.open_connection() as connection:
        body = await database_metrics(connection, default_shards=state.settings.scaling.num_shards)
    return Response(body, media_type=CONTENT_TYPE_LATEST)
