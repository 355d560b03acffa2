"""Numbers for Prometheus, for those who may know them."""

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
    """With a token set, who presents it. Without one: everybody on a laptop, whose edge lets only its own programs
    in, and nobody where the network reaches us (behind a proxy every caller looks like this machine)."""
    if settings.server.metrics_token is None:
        return settings.server.exposure == "loopback"
    given = request.headers.get("authorization", "")
    wanted = f"Bearer {settings.server.metrics_token.get_secret_value()}"
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


@router.get("/metrics")
async def metrics(request: Request, state: State) -> Response:
    """The database's gauges. Any one replica's answer is the whole truth, so scrape the Service and not the Pods."""
    if not _may_read(state.settings, request):
        raise NotFound("no such address")
    async with state.open_connection() as connection:
        body = await database_metrics(connection, default_shards=state.settings.scaling.num_shards)
    return Response(body, media_type=CONTENT_TYPE_LATEST)
