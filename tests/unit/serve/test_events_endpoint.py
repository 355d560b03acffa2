"""The events route answers alike with the layers of FastAPI and without them."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import OperationalError
from redis.exceptions import RedisError
from starlette.types import Receive, Scope, Send

from models.accounts.logins import LoginStatus
from models.errors import BufferFull, NotAcceptingEvents, NotFound, RateLimited, Unavailable
from models.recording.event_writer import BatchOutcome
from models.recording.ingest import IngestBatch
from serve.event_parser import INLINE_BYTES, EventParser
from serve.events_endpoint import EventsEndpoint, SmallBatches
from serve.http.errors import install_error_handlers
from serve.identity.access_tokens import LoginTokens
from serve.routes import events

TOKENS = LoginTokens(["k" * 32], access_ttl_s=86_400, refresh_ttl_s=86_400, long_lived_ttl_s=86_400)
TOKEN = TOKENS.issue(uuid.UUID(int=1), "access", uuid.UUID(int=2), jti=uuid.UUID(int=3), ttl_s=86_400)
SESSION = str(uuid.UUID(int=4))
NOW_MS = 1_760_000_000_000


@dataclass
class FakeShards:
    """Answers each batch with `outcome`, or raises it; keeps the batches."""

    outcome: BatchOutcome | Exception = field(default_factory=BatchOutcome)
    saved: list[IngestBatch] = field(default_factory=list)

    async def save(self, batch: IngestBatch) -> BatchOutcome:
        self.saved.append(batch)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@dataclass
class FakeLogins:
    """Says of every login whether it is valid; raises what a store raises that is unavailable."""

    status: LoginStatus | Exception = field(default_factory=lambda: LoginStatus(True))

    async def get(self, login_id: uuid.UUID) -> LoginStatus:
        if isinstance(self.status, Exception):
            raise self.status
        return self.status


@dataclass
class FakeLimits:
    """Raises `refusal` for each call if there is one."""

    refusal: Exception | None = None

    async def check_events(self, request: Any, key: str) -> None:
        if self.refusal is not None:
            raise self.refusal


def make_api(shards: FakeShards, logins: FakeLogins, limits: FakeLimits) -> FastAPI:
    """An app with the events routes and our error handlers."""
    api = FastAPI()
    install_error_handlers(api)
    api.include_router(events.router)
    api.state.parts = SimpleNamespace(
        shards=shards,
        login_tokens=TOKENS,
        login_cache=logins,
        rate_limiter=limits,
        event_parser=EventParser(allow_private_networks=False),
    )
    return api


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """The layers of an app that must not be reached."""
    raise AssertionError("a small batch reached the layers")


async def post(app: Any, body: bytes, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post(path, content=body, headers=headers)
    return answer.status_code, dict(answer.headers), answer.content


def both_answers(
    body: bytes, *, path: str, headers: dict[str, str], shards: FakeShards, logins: FakeLogins, limits: FakeLimits
) -> list[tuple[int, dict[str, str], bytes]]:
    """The answer with the layers of FastAPI, and the one without."""
    api = make_api(shards, logins, limits)
    short = SmallBatches(refuse, EventsEndpoint(api))
    answers = [asyncio.run(post(app, body, path, headers)) for app in (api, short)]
    api.state.parts.event_parser.close()
    return answers


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=20)
)
_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "event_id": st.one_of(st.uuids().map(str), _VALUES),
        "type": st.one_of(st.sampled_from(["page_visit", "scroll", "highlight"]), _VALUES),
        "timestamp": st.one_of(st.just(NOW_MS), _VALUES),
        "url": st.one_of(
            st.sampled_from(
                ["https://e.com/a?token=abcdefghijklmnop", "chrome://settings", "https://mail.google.com/mail/u/0/"]
            ),
            _VALUES,
        ),
        "content": st.text(max_size=20),
        "seq": _VALUES,
    },
)
_BODIES = st.one_of(
    st.lists(_EVENTS, max_size=5).map(lambda sent: json.dumps({"events": sent}).encode()),
    st.binary(max_size=40),
    _VALUES.map(lambda value: json.dumps({"events": value}).encode()),
)
_OUTCOMES = st.one_of(
    st.builds(
        BatchOutcome,
        duplicates=st.frozensets(st.integers(0, 4)),
        excluded=st.dictionaries(st.integers(0, 4), st.just("yours: e.com")),
    ),
    st.sampled_from(
        [
            BatchOutcome(error=NotFound("session not found")),
            BatchOutcome(error=NotAcceptingEvents()),
            BufferFull("events arrive faster than they can be stored", 1.0),
            Unavailable("keep the events", 2.0),
            OperationalError("gone"),
            RuntimeError("a fault of ours"),
        ]
    ),
)
_LOGINS = st.sampled_from([LoginStatus(True), LoginStatus(False), RedisError("gone")])
_REFUSALS = st.sampled_from([None, None, None, RateLimited("too many requests", 3.0)])
_PATHS = st.sampled_from([SESSION, SESSION, SESSION.upper(), "nonsense", "%00", "a%20b"]).map(
    lambda session: f"/v1/sessions/{session}/events"
)
_AUTHORIZATION = st.sampled_from([f"Bearer {TOKEN}", f"Bearer {TOKEN}", f"Bearer {TOKEN}x", "Basic eDp5", None])


@settings(deadline=None)  # a busy machine is no fault of the endpoint
@given(_BODIES, _OUTCOMES, _LOGINS, _REFUSALS, _PATHS, _AUTHORIZATION)
def test_answers_are_the_same_with_and_without_the_layers(
    body: bytes,
    outcome: BatchOutcome | Exception,
    status: LoginStatus | Exception,
    refusal: Exception | None,
    path: str,
    authorization: str | None,
) -> None:
    shards = FakeShards(outcome)
    headers = {} if authorization is None else {"Authorization": authorization}
    layered, short = both_answers(
        body, path=path, headers=headers, shards=shards, logins=FakeLogins(status), limits=FakeLimits(refusal)
    )
    assert short == layered
    assert len(shards.saved) in {0, 2}
    assert shards.saved[:1] == shards.saved[1:]


def test_a_batch_is_saved_and_each_event_has_its_verdict() -> None:
    sent = [{"event_id": str(uuid.UUID(int=n)), "type": "scroll", "timestamp": NOW_MS} for n in range(3)]
    shards = FakeShards(BatchOutcome(duplicates=frozenset({1})))
    (layered, short) = both_answers(
        json.dumps({"events": sent}).encode(),
        path=f"/v1/sessions/{SESSION}/events",
        headers={"Authorization": f"Bearer {TOKEN}"},
        shards=shards,
        logins=FakeLogins(),
        limits=FakeLimits(),
    )
    assert short == layered
    assert short[0] == 200
    assert [entry["verdict"] for entry in json.loads(short[2])["verdicts"]] == ["stored", "duplicate", "stored"]
    assert {batch.session_id for batch in shards.saved} == {uuid.UUID(SESSION)}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", f"/v1/sessions/{SESSION}/events", {"content-length": "2"}),
        ("POST", f"/v1/sessions/{SESSION}/stop", {"content-length": "2"}),
        ("POST", f"/v1/sessions/{SESSION}/events/stats", {"content-length": "2"}),
        ("POST", f"/v1/sessions/{SESSION}/events\n", {"content-length": "2"}),
        ("POST", f"/v1/sessions/{SESSION}/events", {"content-length": str(INLINE_BYTES + 1)}),
        ("POST", f"/v1/sessions/{SESSION}/events", {"transfer-encoding": "chunked"}),
        ("POST", f"/v1/sessions/{SESSION}/events", {"content-length": "-1"}),
    ],
)
def test_everything_but_small_batches_passes_the_layers(method: str, path: str, headers: dict[str, str]) -> None:
    reached: list[str] = []

    async def layers(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append("layers")

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append("endpoint")

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}
    asyncio.run(SmallBatches(layers, endpoint)(scope, refuse, refuse))  # type: ignore[arg-type]
    assert reached == ["layers"]
