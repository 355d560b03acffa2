"""A way to PostgreSQL that can stop answering, as a machine that hangs: it accepts connections all the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict


class DatabaseWay:
    """Passes bytes between clients of `url` and the database of `target_url` while it is not silent."""

    def __init__(self, target_url: str) -> None:
        self._target = {key: str(value) for key, value in conninfo_to_dict(target_url).items()}
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._server: asyncio.Server | None = None
        self._joining: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Listen on a free port of this machine."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        """The URL of the database through this way."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        login = ":".join(quote(self._target[key], safe="") for key in ("user", "password") if key in self._target)
        return f"postgresql://{login}@127.0.0.1:{port}/{self._target['dbname']}?sslmode=disable&gssencmode=disable"

    def stop_answering(self) -> None:
        """Pass nothing on from now on. Connections stay open, and new ones are accepted."""
        self._is_open.clear()

    def answer(self) -> None:
        """Pass on what has arrived meanwhile, and all that follows."""
        self._is_open.set()

    async def close(self) -> None:
        """End all connections and accept no more."""
        assert self._server is not None
        self._server.close()
        for task in self._joining:
            task.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)
        host, port = self._target["host"], self._target.get("port", "5432")
        if host.startswith("/"):
            far_reader, far_writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            for each in (writer, far_writer):
                each.close()
                with contextlib.suppress(ConnectionError):
                    await each.wait_closed()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                await self._is_open.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def way_to_database(target_url: str) -> AsyncIterator[DatabaseWay]:
    """A way to the database of `target_url`, which speaks again at the end."""
    way = DatabaseWay(target_url)
    await way.open()
    try:
        yield way
    finally:
        way.answer()
        await way.close()
