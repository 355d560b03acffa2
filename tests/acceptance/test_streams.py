"""Open event streams: how many one user may have, and when they end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from cluster.settings import Settings, with_changes
from tests.support.client import PASSWORD, ApiUser, sign_up
from tests.support.server import running_api

PATIENCE_S = 60
MAX_STREAMS = 3


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    """The app with rate limits, behind a trusted proxy that names another client for each test."""
    changes = {"rate_limits": True, "streams_per_user": MAX_STREAMS, "trusted_proxies": ("127.0.0.1",)}
    async with running_api(with_changes(settings, **changes)) as running:
        running[1].headers["X-Forwarded-For"] = (
            f"2001:db8:{secrets.randbelow(1 << 16):x}:{secrets.randbelow(1 << 16):x}::"
        )
        yield running


async def num_streams(valkey: Redis, user: ApiUser) -> int:
    return int(await valkey.zcard(f"streams:{user.id}"))


async def num_watchers(valkey: Redis, session: str) -> int:
    return int((await valkey.pubsub_numsub(f"trailmind:session:{session}"))[0][1])


async def opened(
    service: tuple[FastAPI, httpx2.AsyncClient], user: ApiUser, session: str
) -> asyncio.Task[httpx2.Response]:
    """A stream that has begun; the task ends with the stream."""
    valkey = service[0].state.parts.valkey
    before = await num_streams(valkey, user)
    task = asyncio.create_task(user.call("GET", f"/v1/sessions/{session}/stream?live=false"))
    async with asyncio.timeout(PATIENCE_S):
        # The subscription is the last step before the snapshot.
        while await num_streams(valkey, user) == before or not await num_watchers(valkey, session):
            assert not task.done(), await task
            await asyncio.sleep(0.02)
    return task


async def subscribed_connections(valkey: Redis) -> list[str]:
    """The ids of the connections to Valkey that have a subscription."""
    clients = await valkey.client_list(_type="pubsub")
    return [client["id"] for client in clients if int(client["sub"])]


async def test_streams_share_one_subscription_and_end_when_it_is_lost(
    service: tuple[FastAPI, httpx2.AsyncClient],
) -> None:
    """A notification may have been missed then, and the first event of the next stream has the whole state."""
    valkey = service[0].state.parts.valkey
    before = set(await subscribed_connections(valkey))
    people = [await sign_up(service[1]) for _ in range(2)]
    sessions = [await person.start() for person in people]
    streams = [
        await opened(service, person, session)
        for person, session in zip(people, sessions, strict=True)
        for _ in range(MAX_STREAMS)
    ]
    (connection,) = set(await subscribed_connections(valkey)) - before
    await people[0].ok("PATCH", f"/v1/sessions/{sessions[0]}/pause")
    await valkey.client_kill_filter(_id=connection)
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*streams)
    assert [answer.text.count("event: snapshot") for answer in answers] == [1] * len(streams)
    again = await opened(service, people[0], sessions[0])
    await people[0].ok("PATCH", f"/v1/sessions/{sessions[0]}/resume")
    await people[0].ok("DELETE", f"/v1/sessions/{sessions[0]}")
    async with asyncio.timeout(PATIENCE_S):
        text = (await again).text
    assert text.index('"paused"') < text.index('"recording"'), text


async def test_a_stream_is_notified_after_another_one_of_its_session_has_ended(
    service: tuple[FastAPI, httpx2.AsyncClient],
) -> None:
    valkey = service[0].state.parts.valkey
    ann = await sign_up(service[1])
    session = await ann.start()
    streams = [await opened(service, ann, session) for _ in range(2)]
    streams[0].cancel()
    async with asyncio.timeout(PATIENCE_S):
        while await num_streams(valkey, ann) > 1:
            await asyncio.sleep(0.02)
    await ann.ok("PATCH", f"/v1/sessions/{session}/pause")
    await ann.ok("DELETE", f"/v1/sessions/{session}")
    async with asyncio.timeout(PATIENCE_S):
        assert '"paused"' in (await streams[1]).text
        # The last one leaves the channel.
        while await num_watchers(valkey, session):
            await asyncio.sleep(0.02)


async def test_one_user_has_a_limited_number_of_streams(service: tuple[FastAPI, httpx2.AsyncClient]) -> None:
    valkey = service[0].state.parts.valkey
    ann, bob = await sign_up(service[1]), await sign_up(service[1])
    sessions = [await ann.start(), await bob.start()]
    streams = [await opened(service, ann, sessions[0]) for _ in range(MAX_STREAMS)]
    refused = await ann.call("GET", f"/v1/sessions/{sessions[0]}/stream")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert await num_streams(valkey, ann) == MAX_STREAMS
    streams.append(await opened(service, bob, sessions[1]))
    # Streams that end make room for others.
    await ann.ok("DELETE", f"/v1/sessions/{sessions[0]}")
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*streams[:MAX_STREAMS])
    assert await num_streams(valkey, ann) == 0
    session = await ann.start()
    streams = [streams[-1], await opened(service, ann, session)]
    await ann.ok("DELETE", f"/v1/sessions/{session}")
    await bob.ok("DELETE", f"/v1/sessions/{sessions[1]}")
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*streams)


async def log_out(user: ApiUser, session: str) -> None:
    await user.ok("POST", "/v1/auth/logout")


async def log_out_everywhere(user: ApiUser, session: str) -> None:
    await user.ok("POST", "/v1/auth/logout-all")


async def change_password(user: ApiUser, session: str) -> None:
    body = {"current_password": PASSWORD, "new_password": "another horse battery"}
    await user.ok("POST", "/v1/auth/password", json=body)


async def delete_session(user: ApiUser, session: str) -> None:
    await user.ok("DELETE", f"/v1/sessions/{session}")


async def delete_account(user: ApiUser, session: str) -> None:
    await user.ok("POST", "/v1/users/me/deletion", json={"password": PASSWORD})


@pytest.mark.parametrize("end", [log_out, log_out_everywhere, change_password, delete_session, delete_account])
async def test_a_stream_ends_with_its_login_session_and_account(
    service: tuple[FastAPI, httpx2.AsyncClient], end: Callable[[ApiUser, str], Awaitable[None]]
) -> None:
    ann = await sign_up(service[1])
    session = await ann.start()
    stream = await opened(service, ann, session)
    await end(ann, session)
    async with asyncio.timeout(PATIENCE_S):
        answer = await stream
    assert answer.text.count("event:") == 1, "only the snapshot was sent"
    assert await num_streams(service[0].state.parts.valkey, ann) == 0


async def test_nothing_is_sent_after_a_logout(service: tuple[FastAPI, httpx2.AsyncClient]) -> None:
    ann = await sign_up(service[1])
    login = await service[1].post("/v1/auth/login", json={"email": ann.email, "password": PASSWORD})
    other = ApiUser(service[1], login.json())
    session = await ann.start()
    stream = await opened(service, ann, session)
    await ann.ok("POST", "/v1/auth/logout")
    await other.ok("PATCH", f"/v1/sessions/{session}/pause")
    async with asyncio.timeout(PATIENCE_S):
        answer = await stream
    assert "paused" not in answer.text


async def test_a_stream_ends_when_its_session_is_deleted_by_another_program(
    service: tuple[FastAPI, httpx2.AsyncClient], db: psycopg.AsyncConnection[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention deletes sessions without a notification."""
    monkeypatch.setattr(service[0].state.parts.stream_checks, "_renew_s", 1.0)
    ann = await sign_up(service[1])
    session = await ann.start()
    stream = await opened(service, ann, session)
    await db.execute("UPDATE browsing_sessions SET deleted_at = now() WHERE id = %s", [session])
    async with asyncio.timeout(PATIENCE_S):
        await stream
