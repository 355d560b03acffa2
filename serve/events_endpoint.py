"""Answers small batches of events without the layers that they do not use.

FastAPI's routing, dependencies and exception stacks took about a third of a replica's processor time for a batch of one
event (`make bench-ingest`). The route stays in `serve.routes.events`: it documents the endpoint and answers large
bodies, whose parsing takes far longer than the layers.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.event_parser import INLINE_BYTES
from serve.http.errors import response_to
from serve.http.middleware import EVENTS_PATH
from serve.routes import events


class EventsEndpoint:
    """The events route as a plain ASGI app, with the same answers."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._route = next(
            route for route in events.router.routes if isinstance(route, APIRoute) and route.name == "post_events"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. `path_params` of the scope has the session id."""
        # What the route matching of FastAPI would set; metrics, logs and access rules read it.
        scope["app"], scope["route"] = self._api, self._route
        request = Request(scope, receive)
        try:
            body = await events.store_events(request, scope["path_params"]["session_id"])
        except Exception as error:
            response = await response_to(self._api, request, error)
            await response(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class SmallBatches:
    """Passes small batches of events to `events`, and every other request to `app`."""

    def __init__(self, app: ASGIApp, events: ASGIApp) -> None:
        self._app, self._events = app, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and scope["method"] == "POST":
            match = EVENTS_PATH.fullmatch(scope["path"])
            if match is not None and _has_small_body(scope):
                scope["path_params"] = {"session_id": match["session_id"]}
                await self._events(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _has_small_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return value.isdigit() and int(value) <= INLINE_BYTES
    return False
