"""The ingest report of a session (`/receipt`), compared with an independent count."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

from tests.support.client import ApiUser, visit


def _event(seq: int | None, url: str, **fields: Any) -> dict[str, Any]:
    found = visit(url, 1_760_000_000_000 + (seq or 0), **fields)
    return found if seq is None else found | {"seq": seq}


async def test_the_ingest_report_matches_the_database(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    await ann.ok("PATCH", "/v1/users/me/settings", json={"excluded_domains": ["example.org"]})
    session_id = await ann.start()
    batch = [
        _event(1, "https://example.com/a"),
        _event(2, "https://example.com/b"),
        _event(5, "https://www.kbstar.com/account"),  # 3 and 4 never came
        _event(6, "https://news.example.org/"),
        {"type": "scroll", "timestamp": 1_760_000_000_100, "url": "https://example.com/a", "seq": 7},
        {"type": "", "timestamp": 1_760_000_000_200, "seq": 8},
        {"type": "page_visit", "timestamp": -1, "seq": 9},
        _event(12, "https://example.com/c"),  # nor 10 and 11
    ]
    await ann.send(session_id, batch)
    await ann.send(session_id, batch[:2])
    receipt = (await ann.ok("GET", f"/v1/sessions/{session_id}/receipt"))["receipt"]

    async def count(query: str) -> Any:
        row = await (await db.execute(query, [session_id])).fetchone()
        return row[0] if row else None

    assert receipt["stored"] == await count("SELECT count(*) FROM events WHERE session_id = %s") == 4
    for verdict, expected in (("excluded", 2), ("invalid", 2)):
        query = f"SELECT count(*) FROM event_rejections WHERE verdict = '{verdict}' AND session_id = %s"
        assert receipt[verdict] == await count(query) == expected
    assert (
        receipt["duplicate"] == await count("SELECT num_duplicates FROM duplicate_tallies WHERE session_id = %s") == 2
    )
    assert receipt["seen"] == 10 == len(batch) + 2
    assert receipt["seen"] == sum(receipt[k] for k in ("stored", "duplicate", "excluded", "invalid"))
    assert receipt["by_type"] == {"page_visit": 3, "scroll": 1}
    assert {e["reason"]: e["count"] for e in receipt["excluded_by"]} == {"default: banking": 1, "yours: example.org": 1}
    assert sum(i["count"] for i in receipt["invalid_because"]) == 2
    assert receipt["gaps"] == [{"first": 3, "last": 4}, {"first": 10, "last": 11}]
    assert receipt["missing"] == 4
    assert receipt["last_seq"] == 12
    stored = await count("SELECT string_agg(payload, ' ') FROM events WHERE session_id = %s")
    assert "kbstar" not in stored
    assert "example.org" not in stored


async def test_error_pages_are_counted_by_status(ann: ApiUser) -> None:
    session_id = await ann.start()
    statuses: list[Any] = [404, 404, 503, 200, 404.5, "404"]
    batch = [_event(i, f"https://example.com/{i}", http_status=status) for i, status in enumerate(statuses, 1)]
    batch.append(_event(7, "https://example.com/7", metadata={"http_status": 500}))
    batch.append(_event(8, "https://example.com/8", title='A page about "http_status": 418'))
    batch.append(_event(9, "https://example.com/9"))
    await ann.send(session_id, batch)
    receipt = (await ann.ok("GET", f"/v1/sessions/{session_id}/receipt"))["receipt"]
    assert receipt["stored"] == len(batch)
    assert receipt["error_pages"] == [
        {"http_status": 404, "count": 2},
        {"http_status": 500, "count": 1},
        {"http_status": 503, "count": 1},
    ]


async def test_secrets_in_urls_are_never_stored(ann: ApiUser, db: psycopg.AsyncConnection[Any]) -> None:
    session_id = await ann.start()
    secrets = ["hunter2pass", "abcdef0123456789tok", "s3cr3tsession"]
    await ann.send(
        session_id,
        [
            visit(f"https://user:{secrets[0]}@example.com/"),
            visit(f"https://example.com/cb?access_token={secrets[1]}&page=2"),
            visit(f"https://example.com/#session_id={secrets[2]}"),
        ],
    )
    cursor = await db.execute("SELECT string_agg(events::text, ' ') FROM events WHERE session_id = %s", [session_id])
    row = await cursor.fetchone()
    assert row is not None
    for secret in secrets:
        assert secret not in row[0]
    assert "page=2" in row[0]


async def test_events_without_sequence_numbers_have_no_gaps(ann: ApiUser) -> None:
    session_id = await ann.start()
    empty = (await ann.ok("GET", f"/v1/sessions/{session_id}/receipt"))["receipt"]
    assert (empty["seen"], empty["gaps"], empty["missing"]) == (0, [], 0)
    assert "first_event_at" not in empty
    await ann.send(session_id, [_event(None, "https://example.com/")])
    receipt = (await ann.ok("GET", f"/v1/sessions/{session_id}/receipt"))["receipt"]
    assert (receipt["stored"], receipt["gaps"]) == (1, [])
    assert "last_seq" not in receipt


async def test_a_large_gap_is_one_gap(ann: ApiUser) -> None:
    session_id = await ann.start()
    await ann.send(session_id, [_event(0, "https://example.com/0"), _event(2_000_000_000, "https://example.com/1")])
    receipt = (await ann.ok("GET", f"/v1/sessions/{session_id}/receipt"))["receipt"]
    assert receipt["gaps"] == [{"first": 1, "last": 1_999_999_999}]
    assert receipt["missing"] == 1_999_999_999


async def test_ingest_reports_are_private(ann: ApiUser, bob: ApiUser) -> None:
    session_id = await ann.start()
    assert (await bob.call("GET", f"/v1/sessions/{session_id}/receipt")).status_code == 404
    assert (await ann.call("GET", f"/v1/sessions/{uuid.uuid4()}/receipt")).status_code == 404
    assert (await ann.call("GET", "/v1/sessions/x/receipt")).status_code == 404
