"""Requests that arrive at the same time and change the same thing: each has an answer, none is 500."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg

from tests.support.client import ApiUser
from tests.support.completed_session import completed_session
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]
Call = tuple[str, str, dict[str, Any] | None]

_RENAME = {"operations": [{"op": "rename", "node_id": "core", "label": "A name"}]}


async def at_once(person: ApiUser, *calls: Call) -> list[int]:
    """The statuses of requests that are sent together."""
    requests = (
        person.call(method, path, **({"json": body} if body is not None else {})) for method, path, body in calls
    )
    return [answer.status_code for answer in await asyncio.gather(*requests)]


async def test_a_map_that_is_deleted_while_it_is_used(ann: ApiUser, db: Db, worker: InProcessWorker) -> None:
    session = await completed_session(ann, db)
    for _ in range(8):
        created = await ann.ok("POST", "/v1/maps", json={"session_ids": [session]})
        await worker.run()
        path = f"/v1/maps/{created['map']['id']}"
        deletion: Call = ("DELETE", path, None)
        statuses = await at_once(
            ann,
            deletion,
            deletion,
            ("POST", f"{path}/shares", {}),
            ("PATCH", path, _RENAME),
            ("POST", f"{path}/generate", {}),
        )
        assert set(statuses[:2]) <= {204, 404}
        # A request that found the map and lost it is to be sent again; then it is answered 404.
        assert set(statuses[2:]) <= {200, 201, 202, 404, 409, 503}
        assert await at_once(ann, deletion, ("POST", f"{path}/shares", {}), ("PATCH", path, _RENAME)) == [404] * 3


async def test_a_session_that_is_deleted_while_it_is_used(ann: ApiUser, db: Db) -> None:
    for _ in range(3):
        session = await completed_session(ann, db)
        path = f"/v1/sessions/{session}"
        deletion: Call = ("DELETE", path, None)
        statuses = await at_once(
            ann,
            deletion,
            deletion,
            ("POST", f"{path}/shares", {}),
            ("PATCH", f"{path}/mindmap", _RENAME),
            ("POST", f"{path}/mindmap/generate", {"force": True}),
            ("PATCH", path, {"title": "A title"}),
            ("POST", "/v1/maps", {"session_ids": [session]}),
        )
        assert set(statuses[:2]) <= {204, 404}
        assert set(statuses[2:]) <= {200, 201, 202, 400, 404, 409, 503}
