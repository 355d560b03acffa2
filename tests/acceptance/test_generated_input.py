"""Generated requests through HTTP: no answer of 5xx, and whatever is stored stays usable.

`make fuzz` sends 20,000 requests; the suite sends a share of them.
"""

from __future__ import annotations

import io
import json
import random
import uuid
import zipfile
from typing import Any

import httpx2
import psycopg
import pytest

from cluster.settings import Settings
from models.errors import BadRequest, PayloadTooLarge
from models.recording.ingest import parse_batch
from models.recording.payloads import decode_payload
from models.recording.timeline import SessionSpan, TimelineEvent, build_timeline
from tests.support.client import PASSWORD, ApiUser, sign_up
from tests.support.generated_input import VALUES, EditGenerator, EventGenerator
from tests.support.server import running_api
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]
READERS = ("", "/events", "/events/stats", "/timeline", "/receipt", "/export/json", "/export/csv", "/export/markdown")
JSON = {"Content-Type": "application/json"}


async def assert_usable(person: ApiUser, session: str) -> None:
    """Every reader of a recording answers."""
    for path in READERS:
        answer = await person.call("GET", f"/v1/sessions/{session}{path}")
        assert answer.status_code in {200, 402, 404}, (path, answer.status_code, answer.text)


async def stop_and_map(person: ApiUser, worker: InProcessWorker, session: str) -> dict[str, Any] | None:
    """Stop, map and search the session; returns its map unless nothing in it can be mapped."""
    await person.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    await person.ok("GET", "/v1/search", params={"q": "bears"})
    status = (await person.ok("GET", f"/v1/sessions/{session}"))["session"]["session_status"]
    assert status in {"completed", "failed"}
    found: dict[str, Any] = (await person.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]
    return found if status == "completed" else None


async def export_account(person: ApiUser) -> int:
    """The number of events in the export of the account, each of which must be JSON."""
    answer = await person.call("GET", "/v1/users/me/export")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        if "events.jsonl" not in archive.namelist():
            return 0
        rows = [json.loads(line) for line in archive.read("events.jsonl").splitlines()]
    return len(rows)


#: Not JSON at all: the request is refused as a whole, with a sentence.
NOT_JSON = {"invalid escape", "raw line break"}
SHAPES = sorted(VALUES.keys() - NOT_JSON)
FIELDS = ("unread", "metadata", "max_scroll_depth", "active_ms", "duration_ms", "tab_id", "title", "text", "note")


@pytest.mark.parametrize("first", range(4))
async def test_a_value_is_stored_and_readable_or_invalid(
    ann: ApiUser, worker: InProcessWorker, db: Db, first: int
) -> None:
    """In fields that are read later and in an unread one; the good events beside it are stored."""
    session = await ann.start()
    path = f"/v1/sessions/{session}/events"
    at_ms = 1_760_000_000_000
    good = b'{"type":"page_visit","timestamp":%d,"url":"https://example.com/a","title":"Bears"}' % at_ms
    for shape in SHAPES[first::4]:
        for kind in (b"page_visit", b"page_leave", b"highlight"):
            ids = [f"{shape}-{kind.decode()}-{name}" for name in FIELDS]
            events = [
                b'{"event_id":"%s","type":"%s","timestamp":%d,"url":"https://example.com/a","%s":%s}'
                % (event_id.encode(), kind, at_ms + i, name.encode(), VALUES[shape])
                for i, (name, event_id) in enumerate(zip(FIELDS, ids, strict=True))
            ]
            body = b'{"events":[' + b",".join([good, *events, good]) + b"]}"
            verdicts = (await ann.ok("POST", path, content=body))["verdicts"]
            assert {verdicts[0]["verdict"], verdicts[-1]["verdict"]} <= {"stored", "duplicate"}, shape
            assert {one["verdict"] for one in verdicts} <= {"stored", "duplicate", "invalid"}
            # A client finds the verdict of each event by its id.
            assert [one["event_id"] for one in verdicts[1:-1]] == ids
        await assert_usable(ann, session)
    row = await (await db.execute("SELECT count(*) FROM events WHERE session_id = %s", [session])).fetchone()
    await stop_and_map(ann, worker, session)
    await assert_usable(ann, session)
    await ann.ok("DELETE", f"/v1/sessions/{session}")
    await ann.ok("POST", f"/v1/sessions/{session}/restore")
    assert row is not None
    assert await export_account(ann) == row[0]
    receipt = await ann.ok("POST", "/v1/users/me/deletion", json={"password": PASSWORD, "now": True})
    assert receipt["status"] == "erased"


@pytest.mark.parametrize("shape", sorted(NOT_JSON))
async def test_a_body_that_is_not_json_is_refused(ann: ApiUser, shape: str) -> None:
    session = await ann.start()
    body = b'{"events":[{"type":"scroll","timestamp":1760000000000,"unread":%s}]}' % VALUES[shape]
    answer = await ann.call("POST", f"/v1/sessions/{session}/events", content=body)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "the body is not valid JSON")


async def test_generated_requests_get_no_server_error(
    settings: Settings, worker: InProcessWorker, db: Db, pytestconfig: pytest.Config
) -> None:
    """Batches of events and edits, as many as `--generated-requests` says; each recording is used up to its erasure."""
    num_requests: int = pytestconfig.getoption("generated_requests")
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    bodies = EventGenerator(rng)
    statuses: dict[int, int] = {}

    def note(answer: httpx2.Response, body: bytes) -> None:
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, f"seed {seed}: {answer.status_code} for {body[:2000]!r}"

    async with running_api(settings) as (_, client):
        num_sent = 0
        while num_sent < num_requests:
            person = await sign_up(client)
            session = await person.start()
            num_stored = 0
            for _ in range(min(120, num_requests)):
                body = bodies.body()
                answer = await person.call("POST", f"/v1/sessions/{session}/events", content=body, headers=JSON)
                note(answer, body)
                num_sent += 1
                if answer.status_code == 200:
                    num_stored += answer.json()["stored"]
            row = await (await db.execute("SELECT count(*) FROM events WHERE session_id = %s", [session])).fetchone()
            assert row == (num_stored,), f"seed {seed}"
            await assert_usable(person, session)
            mindmap = await stop_and_map(person, worker, session)
            await assert_usable(person, session)
            if mindmap is not None:
                edits = EditGenerator(rng, [node["id"] for node in mindmap["data"]["nodes"]])
                for _ in range(min(80, num_requests)):
                    body = edits.body()
                    path = f"/v1/sessions/{session}/mindmap"
                    note(await person.call("PATCH", path, content=body, headers=JSON), body)
                    num_sent += 1
                await assert_usable(person, session)
            assert await export_account(person) == num_stored
            answer = await person.call("POST", "/v1/users/me/deletion", json={"password": PASSWORD, "now": True})
            assert answer.json()["status"] == "erased"
    print(f"{num_sent} requests, seed {seed}, answers by status: {dict(sorted(statuses.items()))}")


def test_what_is_stored_can_be_decoded_by_the_reader() -> None:
    """Without HTTP, many more: the payload of each row is what the reader's decoder reads."""
    bodies = EventGenerator(random.Random(20261128))
    events = []
    for _ in range(600):
        body = bodies.body()
        try:
            batch = parse_batch(body, user_id=uuid.UUID(int=1), session_id=uuid.UUID(int=2))
        except (BadRequest, PayloadTooLarge):
            continue
        assert len(batch.order) == len(batch.rows) + len(batch.rejections)
        for row in batch.rows:
            fields = decode_payload(row.payload)
            events.append(
                TimelineEvent(row.event_key.hex(), row.type, row.occurred_ms, row.occurred_ms, fields, row.seq)
            )
    assert len(events) > 1_000
    assert build_timeline(events, SessionSpan(1_760_000_000_000)).num_events == len(events)
