"""HEAD is answered where GET is, with the headers of GET and without a body (RFC 9110, section 9.3.2)."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """Lets the app answer a HEAD request as a GET request, and sends no body.

    FastAPI registers GET routes for GET alone. A stream, which does not end by itself, is cancelled after its headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server decides by the method of its own scope whether a response has a body.
        as_get = {**scope, "method": "GET"}
        is_endless = asyncio.Event()
        has_ended = False

        async def send_head(message: Message) -> None:
            nonlocal has_ended
            if message["type"] != "http.response.body":
                await send(message)
            elif not has_ended:
                has_ended = True
                if message.get("more_body", False):
                    is_endless.set()
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        answering = asyncio.ensure_future(self._app(as_get, receive, send_head))
        endless = asyncio.ensure_future(is_endless.wait())
        try:
            await asyncio.wait({answering, endless}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
            elif (error := answering.exception()) is not None:
                raise error
        finally:
            answering.cancel()
            endless.cancel()
            for name in ("route", "path_params"):
                if name in as_get:
                    scope[name] = as_get[name]
