"""An OpenID provider that accepts connections and never answers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from cluster.settings import load_settings
from models.errors import Unavailable
from serve.identity import openid


async def test_a_silent_provider_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert openid.TIMEOUT_S == 5.0
    monkeypatch.setattr(openid, "TIMEOUT_S", 0.2)
    connected = asyncio.Event()
    closing = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await closing.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = load_settings(data_dir=tmp_path, google_issuer=origin, google_client_id="a client")
        google = openid.GoogleSignIn(settings)
        with pytest.raises(Unavailable):
            await google.metadata()
        assert connected.is_set()
        # The exchange of a code has a client of its own.
        connected.clear()
        google._metadata = (time.monotonic(), {"issuer": origin, "token_endpoint": f"{origin}/token"})
        with pytest.raises(Unavailable):
            await google.exchange("code", f"{origin}/back")
        assert connected.is_set()
        closing.set()
