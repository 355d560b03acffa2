"""Events over HTTP: storing, duplicates, verdicts, exclusions, invalid input."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import httpx2
import psycopg
import pytest

from models.recording.ingest import MAX_BODY_BYTES
from models.recording.timeline_store import load_timeline
from tests.support.client import ApiUser, visit
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]
T0 = 1_760_000_000_000


async def count(db: Db, table: str, session_id: str) -> int:
    cursor = await db.execute(f"SELECT count(*) FROM {table} WHERE session_id = %s", [session_id])
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def highlight(text: str, at_ms: int = T0, **fields: Any) -> dict[str, Any]:
    return {"type": "highlight", "timestamp": at_ms, "text": text, **fields}


async def test_events_are_stored_listed_and_counted(ann: ApiUser, db: Db) -> None:
    session = await ann.start()
    events = [
        visit("https://example.com/a"),
        visit("https://example.com/b", T0 + 10_000),
        highlight("a fine sentence", T0 + 12_000, url="https://example.com/b", selector="p:nth-child(2)"),
    ]
    reply = await ann.send(session, events)
    assert (reply["processed"], reply["total"], reply["stored"]) == (3, 3, 3)
    assert [v["verdict"] for v in reply["verdicts"]] == ["stored"] * 3
    assert await count(db, "events", session) == 3
    listed = await ann.ok("GET", f"/v1/sessions/{session}/events")
    assert [v["url"] for v in listed["page_visits"]] == ["https://example.com/b", "https://example.com/a"]
    assert listed["total"] == 3
    visits = await ann.ok("GET", f"/v1/sessions/{session}/events?type=page_visit")
    assert (len(visits["page_visits"]), visits["highlights"], visits["total"]) == (2, [], 2)
    marked = await ann.ok("GET", f"/v1/sessions/{session}/events?type=highlight")
    assert (marked["page_visits"], len(marked["highlights"]), marked["total"]) == ([], 1, 1)
    stats = await ann.ok("GET", f"/v1/sessions/{session}/events/stats")
    assert stats == {"total_events": 3, "page_visits": 2, "highlights": 1, "unique_urls": 2}


async def test_an_empty_batch_is_a_400(ann: ApiUser) -> None:
    session = await ann.start()
    answer = await ann.call("POST", f"/v1/sessions/{session}/events", json={"events": []})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "no events provided"


async def test_events_for_foreign_unknown_and_malformed_sessions_are_refused(
    ann: ApiUser, bob: ApiUser, db: Db
) -> None:
    session = await ann.start()
    body = {"events": [visit("https://example.com/a")]}
    for person, target, status in (
        (bob, session, 404),
        (ann, str(uuid.uuid4()), 404),
        (ann, "nonsense", 400),
    ):
        answer = await person.call("POST", f"/v1/sessions/{target}/events", json=body)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]
    assert await count(db, "events", session) == 0


async def test_a_closed_session_refuses_events_except_duplicates(ann: ApiUser, db: Db) -> None:
    session = await ann.start()
    old = {"events": [visit("https://example.com/a")]}
    await ann.send(session, old["events"])
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    new = await ann.call("POST", f"/v1/sessions/{session}/events", json={"events": [visit("https://example.com/b")]})
    assert new.status_code == 400
    assert new.json()["error"]["message"] == "session is not accepting events"
    # The answer to this batch may have been lost: the client must be able to strike it off its queue.
    again = await ann.ok("POST", f"/v1/sessions/{session}/events", json=old)
    assert (again["stored"], again["duplicate"]) == (0, 1)
    assert await count(db, "events", session) == 1


async def test_a_paused_session_accepts_events(ann: ApiUser) -> None:
    session = await ann.start()
    await ann.ok("PATCH", f"/v1/sessions/{session}/pause")
    assert (await ann.send(session, [visit("https://example.com/a")]))["stored"] == 1


async def test_stats_of_an_empty_and_of_an_unknown_session(ann: ApiUser, bob: ApiUser) -> None:
    session = await ann.start()
    empty = {"total_events": 0, "page_visits": 0, "highlights": 0, "unique_urls": 0}
    assert await ann.ok("GET", f"/v1/sessions/{session}/events/stats") == empty
    assert await ann.ok("GET", f"/v1/sessions/{session}/events") == {"page_visits": [], "highlights": [], "total": 0}
    assert (await ann.call("GET", "/v1/sessions/x/events/stats")).status_code == 404
    assert (await ann.call("GET", f"/v1/sessions/{uuid.uuid4()}/events/stats")).status_code == 404
    assert (await bob.call("GET", f"/v1/sessions/{session}/events/stats")).status_code == 404


async def test_equivalent_urls_are_one_page(ann: ApiUser) -> None:
    session = await ann.start()
    urls = ["https://Example.com/a/", "https://example.com/a#x", "https://example.com/b"]
    await ann.send(session, [visit(u, T0 + i * 1000) for i, u in enumerate(urls)])
    stats = await ann.ok("GET", f"/v1/sessions/{session}/events/stats")
    assert (stats["page_visits"], stats["unique_urls"]) == (3, 2)


async def test_a_changed_title_is_another_visit_of_the_same_page(ann: ApiUser, bob: ApiUser) -> None:
    """The first visit keeps the title it had; no title reaches another user's page."""
    session = await ann.start()
    url = "https://example.com/inbox"
    await ann.send(session, [visit(url, title="First"), visit(url, at_ms=1_760_000_005_000, title="Second")])
    other = await bob.start()
    await bob.send(other, [visit(url, title="Bob's")])
    pages = (await ann.ok("GET", f"/v1/sessions/{session}/events?type=page_visit"))["page_visits"]
    assert sorted(p["title"] for p in pages) == ["First", "Second"]
    assert (await ann.ok("GET", f"/v1/sessions/{session}/events/stats"))["unique_urls"] == 1
    visits = (await ann.ok("GET", f"/v1/sessions/{session}/timeline"))["visits"]
    assert len({v["page_id"] for v in visits}) == 1
    theirs = (await bob.ok("GET", f"/v1/sessions/{other}/events"))["page_visits"]
    assert [p["title"] for p in theirs] == ["Bob's"]


async def test_a_visit_says_that_it_was_an_error_page_or_that_its_text_could_not_be_read(ann: ApiUser) -> None:
    session = await ann.start()
    scan, gone = "https://example.com/scan.pdf", "https://example.com/gone"
    await ann.send(
        session,
        [
            visit(scan, title="scan.pdf", metadata={"text_missing": "pdf_unreadable"}),
            visit(gone, title="Gone", metadata={"http_status": 404}),
            visit("https://example.com/odd", metadata={"http_status": 200, "text_missing": 7}),
        ],
    )
    visits = {v["url"]: v for v in (await ann.ok("GET", f"/v1/sessions/{session}/timeline"))["visits"]}
    assert visits[scan]["text_missing"] == "pdf_unreadable"
    assert visits[gone]["http_status"] == 404
    assert not {"http_status", "text_missing"} & visits["https://example.com/odd"].keys()
    assert "http_status" not in visits[scan]


async def test_unknown_event_types_and_fields_are_stored(ann: ApiUser, db: Db) -> None:
    session = await ann.start()
    events = [
        {"type": "scroll" if i % 2 else "page_leave", "timestamp": T0 + i, "url": f"https://example.com/{i}",
         "scroll_depth": 0.5, "duration_ms": i, "referrer": "https://example.org/", "zebra": [1, {"x": None}]}
        for i in range(250)
    ]  # fmt: skip
    reply = await ann.send(session, events)
    assert (reply["processed"], reply["total"]) == (250, 250)
    cursor = await db.execute("SELECT payload FROM events WHERE session_id = %s", [session])
    stored = [json.loads(row[0]) for row in await cursor.fetchall()]
    assert sorted(stored, key=lambda e: e["timestamp"]) == events


async def test_a_repeated_batch_is_stored_once(ann: ApiUser, db: Db) -> None:
    session = await ann.start()
    events = [visit(f"https://example.com/{i}", T0 + i) for i in range(5)]
    events += [{**visit("https://example.com/ids", T0 + i), "event_id": f"e-{i}"} for i in range(5)]
    first, second = await ann.send(session, events), await ann.send(session, events)
    assert (first["stored"], first["total"]) == (10, 10)
    assert (second["stored"], second["duplicate"], second["total"], second["processed"]) == (0, 10, 10, 10)
    assert await count(db, "events", session) == 10
    mixed = await ann.send(session, [events[0], visit("https://example.com/new", T0 + 99), events[9], events[9]])
    assert [v["verdict"] for v in mixed["verdicts"]] == ["duplicate", "stored", "duplicate", "duplicate"]
    assert await count(db, "events", session) == 11


async def test_a_batch_with_a_repeated_event_is_stored_like_one_without(ann: ApiUser, db: Db) -> None:
    """COPY writes the one and INSERT the other; every column must have the same values."""
    kinds: list[tuple[str, float, dict[str, Any]]] = [
        ("page_visit", T0, {"url": "https://e.com/a", "content": "곰과 꿀", "seq": 0}),
        ("scroll", T0 + 0.75, {"seq": 2**31 - 1}),
        ("유형", 1, {"note": "é\u0007"}),
        ("x" * 64, 253_402_214_399_999, {"title": ""}),
        ("page_visit", T0 + 1, {"url": "https://e.com/b?token=abcdefghijklmnopqrst", "content": " "}),
    ]
    events = [
        {"event_id": f"e{n}", "type": kind, "timestamp": at_ms, **fields}
        for n, (kind, at_ms, fields) in enumerate(kinds)
    ]
    # More rows than are encoded at once.
    events += [{"event_id": f"more-{n}", "type": "scroll", "timestamp": T0 + n} for n in range(600)]
    copied, inserted = await ann.start(), await ann.start()
    assert (await ann.send(copied, events))["stored"] == len(events)
    await ann.send(inserted, events[:1])
    assert (await ann.send(inserted, events))["duplicate"] == 1
    rows = [
        await (
            await db.execute(
                "SELECT event_key, seq, type, occurred_at::text, content_key, payload FROM events"
                " WHERE session_id = %s ORDER BY event_key",
                [session],
            )
        ).fetchall()
        for session in (copied, inserted)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == len(events)
    assert {row[3] for row in rows[0]} >= {"1970-01-01 00:00:00.001+00", "9999-12-30 23:59:59.999+00"}


async def test_a_duplicate_event_within_a_batch_is_stored_once(ann: ApiUser, db: Db) -> None:
    session = await ann.start()
    reply = await ann.send(session, [visit("https://example.com/a"), visit("https://example.com/a")])
    assert [v["verdict"] for v in reply["verdicts"]] == ["stored", "duplicate"]
    assert await count(db, "events", session) == 1


async def test_highlights_keep_text_and_selector(ann: ApiUser) -> None:
    session = await ann.start()
    await ann.send(
        session,
        [
            visit("https://example.com/a"),
            highlight("밑줄 친 문장입니다", T0 + 5, url="https://example.com/a", selector="#main > p"),
            highlight("noted", T0 + 6, url="https://example.com/a", color="#00FF00", note="why"),
        ],
    )
    second, first = (await ann.ok("GET", f"/v1/sessions/{session}/events?type=highlight"))["highlights"]
    assert (first["text"], first["selector"], first["color"]) == ("밑줄 친 문장입니다", "#main > p", "#FFFF00")
    assert "note" not in first
    assert (second["color"], second["note"]) == ("#00FF00", "why")
    timeline = await ann.ok("GET", f"/v1/sessions/{session}/timeline")
    assert [h["text"] for h in timeline["visits"][0]["highlights"]] == ["밑줄 친 문장입니다", "noted"]


async def test_dwell_comes_from_page_leave(ann: ApiUser) -> None:
    session = await ann.start()
    now = int(time.time() * 1000)
    leave = {"type": "page_leave", "timestamp": now + 42_000, "url": "https://example.com/a", "duration_ms": 42_000,
             "max_scroll_depth": 0.75}  # fmt: skip
    await ann.send(session, [visit("https://example.com/a", now), leave])
    (found,) = (await ann.ok("GET", f"/v1/sessions/{session}/events"))["page_visits"]
    assert (found["duration_ms"], found["max_scroll_depth"]) == (42_000, 0.75)


async def test_verdicts_sum_to_the_total_and_have_reasons(ann: ApiUser, db: Db) -> None:
    session = await ann.start()
    events: list[Any] = [
        {**visit("https://example.com/a"), "event_id": "good"},
        {"timestamp": T0, "event_id": "no type"},
        {"type": "", "timestamp": T0},
        {"type": "scroll"},
        {"type": "scroll", "timestamp": "yesterday"},
        {"type": "scroll", "timestamp": -5},
        {"type": "scroll", "timestamp": 1e300},
        {**visit("https://example.com/a"), "title": 5},
        {**visit("https://example.com/a"), "url": ["a", "list"]},
        {**visit("https://example.com/a"), "title": "zero \x00 byte"},
        {**visit("https://example.com/" + "x" * 9000)},
        "not an object",
        None,
        visit("https://mail.google.com/mail/u/0/#inbox"),
        visit("http://192.168.0.1/admin"),
        visit("https://www.shinhan.com/"),
    ]
    reply = await ann.send(session, events)
    assert reply["total"] == len(events)
    assert reply["stored"] + reply["duplicate"] + reply["excluded"] + reply["invalid"] == len(events)
    assert [v["verdict"] for v in reply["verdicts"]] == ["stored"] + ["invalid"] * 12 + ["excluded"] * 3
    assert all(v.get("reason") for v in reply["verdicts"][1:])
    assert reply["verdicts"][1]["event_id"] == "no type"
    assert await count(db, "events", session) == 1
    cursor = await db.execute("SELECT * FROM event_rejections WHERE session_id = %s", [session])
    rejections = await cursor.fetchall()
    assert len(rejections) == 15
    assert "shinhan" not in repr(rejections), "an excluded address must not be kept"


async def test_page_text_is_stored_separately_and_once_per_user(ann: ApiUser, bob: ApiUser, db: Db) -> None:
    text = f"A long text about bears {uuid.uuid4()}. " * 20
    for person in (ann, bob):
        session = await person.start()
        await person.send(session, [visit(f"https://example.com/{i}", T0 + i, content=text) for i in range(2)])
        cursor = await db.execute("SELECT payload, content_key FROM events WHERE session_id = %s", [session])
        rows = await cursor.fetchall()
        assert all("bears" not in payload and key is not None for payload, key in rows)
    cursor = await db.execute("SELECT user_id::text FROM page_contents WHERE text = %s", [text])
    assert sorted(r[0] for r in await cursor.fetchall()) == sorted([ann.id, bob.id])


async def test_secrets_in_urls_are_not_stored(ann: ApiUser, db: Db) -> None:
    session = await ann.start()
    await ann.send(
        session,
        [
            visit("https://user:hunter2@example.com/a?access_token=sesame&q=bears"),
            visit("https://example.com/b", T0 + 1, metadata={"referrer": "https://example.org/cb?code=sesame2"}),
            visit("https://example.com/c#id_token=sesame3", T0 + 2),
        ],
    )
    cursor = await db.execute("SELECT string_agg(payload, ' ') FROM events WHERE session_id = %s", [session])
    row = await cursor.fetchone()
    assert row is not None
    assert "sesame" not in row[0]
    assert "hunter2" not in row[0]
    assert "q=bears" in row[0]


async def test_the_users_exclusions_apply(ann: ApiUser, db: Db) -> None:
    await db.execute(
        "INSERT INTO user_settings (user_id, excluded_domains) VALUES (%s, %s)", [ann.id, ["secret.example.com"]]
    )
    session = await ann.start()
    reply = await ann.send(
        session, [visit("https://www.secret.example.com/a", content="hidden"), visit("https://example.com/b")]
    )
    assert [v["verdict"] for v in reply["verdicts"]] == ["excluded", "stored"]
    cursor = await db.execute("SELECT count(*) FROM page_contents WHERE user_id = %s", [ann.id])
    assert await cursor.fetchone() == (0,)


async def test_a_clock_ten_years_off_keeps_order_and_dwell(ann: ApiUser) -> None:
    session = await ann.start()
    ten_years_ago = int(time.time() * 1000) - 10 * 365 * 86_400_000
    await ann.send(session, [visit(f"https://example.com/{i}", ten_years_ago + i * 60_000) for i in range(3)])
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    timeline = await ann.ok("GET", f"/v1/sessions/{session}/timeline")
    assert [v["url"][-1] for v in timeline["visits"]] == ["0", "1", "2"]
    assert [v["duration_ms"] for v in timeline["visits"]][:2] == [60_000, 60_000]
    started = (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]["started_at"]
    assert timeline["visits"][0]["visited_at"][:4] == started[:4]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b'{"events": null}', b'{"events": {}}', b'{"events": "x"}', b"{}",
        b'{"events": [{"type": "a", "timestamp": 1}', b'{"events": [\x00]}', b"\xff\xfe", b"[" * 100_000,
    ],
)  # fmt: skip
async def test_malformed_bodies_are_a_400(ann: ApiUser, db: Db, body: bytes) -> None:
    session = await ann.start()
    answer = await ann.call(
        "POST", f"/v1/sessions/{session}/events", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert await count(db, "events", session) == 0


async def test_a_lone_surrogate_does_not_reject_the_batch(ann: ApiUser) -> None:
    """Browsers cut titles at UTF-16 units and write the half that is left as an escape."""
    session = await ann.start()
    titles = [r"cut \ud83d", r"\ude00 tail", r"whole \ud83d\ude00", r"a backslash \\ud83d"]
    events = ",".join(
        f'{{"type":"page_visit","timestamp":{1_760_000_000_000 + i},"url":"https://example.com/{i}","title":"{title}"}}'
        for i, title in enumerate(titles)
    )
    path = f"/v1/sessions/{session}/events"
    for verdict in ("stored", "duplicate"):
        reply = await ann.ok("POST", path, content=f'{{"events":[{events}]}}'.encode())
        assert (reply["processed"], reply[verdict]) == (4, 4)
    shown = {p["title"] for p in (await ann.ok("GET", path))["page_visits"]}
    assert shown == {"cut �", "� tail", "whole 😀", "a backslash \\ud83d"}


async def test_an_oversized_request_is_a_413(ann: ApiUser, db: Db) -> None:
    session = await ann.start()
    path = f"/v1/sessions/{session}/events"
    many = await ann.call("POST", path, json={"events": [visit(f"https://e.com/{i}", T0 + i) for i in range(1001)]})
    assert many.status_code == 413
    assert "1,000" in many.json()["error"]["message"] or "1000" in many.json()["error"]["message"]
    large = {"events": [visit("https://e.com/", content="x" * MAX_BODY_BYTES)]}
    assert (await ann.call("POST", path, json=large)).status_code == 413

    async def endless() -> Any:
        for _ in range(10):
            yield b" " * (1024 * 1024)

    assert (await ann.call("POST", path, content=endless())).status_code == 413
    assert await count(db, "events", session) == 0
    full = [visit(f"https://e.com/{i}", T0 + i) for i in range(1000)]
    assert (await ann.send(session, full))["stored"] == 1000


async def test_invalid_list_parameters_are_a_400(ann: ApiUser) -> None:
    session = await ann.start()
    for query in ("limit=0", "offset=-1", "limit=5000", "type=scroll"):
        answer = await ann.call("GET", f"/v1/sessions/{session}/events?{query}")
        assert answer.status_code == 400, query


async def test_unknown_paths_and_methods_have_the_error_format(api: httpx2.AsyncClient) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("DELETE", "/v1/sessions/start", 405)):
        answer = await api.request(method, path)
        assert answer.status_code in {status, 401}
        assert set(answer.json()["error"]) >= {"message", "code"}


async def test_secrets_are_found_however_the_json_spells_them(ann: ApiUser, db: Db) -> None:
    """Some encoders escape every `/`, others every letter outside ASCII; a text can hold any character as an escape."""
    session = await ann.start()
    urls = [
        rb"https:\/\/joe:sesame@esc.example\/?tok\u0065n=sesame",
        rb"https:\u002f\u002fesc.example\u002f\u003faccess_token\u003dsesame",
        rb"\u0068ttps://esc.example/cb#id_token=sesame",
        rb"https://esc.example/reset/sesame1A2b3C4d5E6f7G",
    ]
    events = b",".join(
        rb'{"type":"page_visit","timestamp":%d,"url":"%s","title":"at %s","x":[{"\u0061":"%s"}],"content":"see %s now"}'
        % (T0 + i, url, url, url, url)
        for i, url in enumerate(urls)
    )
    reply = await ann.ok("POST", f"/v1/sessions/{session}/events", content=b'{"events":[' + events + b"]}")
    assert reply["stored"] == len(urls)
    for table, column, owner, value in (
        ("events", "payload", "session_id", session),
        ("page_contents", "text", "user_id", ann.id),
    ):
        cursor = await db.execute(f"SELECT string_agg({column}, ' ') FROM {table} WHERE {owner} = %s", [value])
        row = await cursor.fetchone()
        assert row is not None
        assert "sesame" not in json.loads(f'"{row[0].replace(chr(34), chr(39))}"')
        assert "REDACTED" in row[0]


async def test_a_text_that_spells_nul_is_stored(ann: ApiUser) -> None:
    session = await ann.start()
    body = rb'{"events":[{"type":"page_visit","timestamp":%d,"url":"https://e.com/%d","title":"%s"}]}'
    path = f"/v1/sessions/{session}/events"
    for i, (title, verdict) in enumerate(
        ((rb"C:\\u0000", "stored"), (rb"\\\u0000", "invalid"), (rb"\u0000", "invalid"), (rb"\\\\u0000", "stored"))
    ):
        reply = await ann.ok("POST", path, content=body % (T0 + i, i, title))
        assert [one["verdict"] for one in reply["verdicts"]] == [verdict], title
    shown = {page["title"] for page in (await ann.ok("GET", path))["page_visits"]}
    assert shown == {"C:\\u0000", "\\\\u0000"}


async def test_an_event_too_large_without_its_page_text_is_invalid(ann: ApiUser) -> None:
    session = await ann.start()
    reply = await ann.send(
        session,
        [
            visit("https://e.com/a", T0, content="bears " * 200_000),
            visit("https://e.com/b", T0 + 1, extra="x" * 300_000),
            visit("https://e.com/c", T0 + 2, extra=[1] * 200_000),
        ],
    )
    assert [one["verdict"] for one in reply["verdicts"]] == ["stored", "invalid", "invalid"]
    assert "256 KB" in reply["verdicts"][1]["reason"]


async def test_an_event_nested_too_deep_is_invalid_and_those_beside_it_are_stored(ann: ApiUser) -> None:
    session = await ann.start()
    flat, deep = "[" * 60 + "]" * 60, "[" * 70 + "]" * 70
    events = [
        b'{"type":"page_visit","timestamp":%d,"url":"https://e.com/%d?token=1","extra":%s}'
        % (T0 + i, i, extra.encode())
        for i, extra in enumerate((flat, deep, "1"))
    ]
    body = b'{"events":[' + b",".join(events) + b"]}"
    reply = await ann.ok("POST", f"/v1/sessions/{session}/events", content=body)
    assert [one["verdict"] for one in reply["verdicts"]] == ["stored", "invalid", "stored"]
    assert reply["verdicts"][1]["reason"] == "nested deeper than 64 levels"


async def test_an_unreadable_row_is_skipped_and_counted(ann: ApiUser, db: Db, worker: InProcessWorker) -> None:
    """Rows of earlier versions: every reader of the session works, and says how many events it lacks."""
    session = await ann.start()
    await ann.send(
        session, [visit("https://e.com/a", T0, content="Bears eat honey. " * 20), visit("https://e.com/b", T0 + 9)]
    )
    await db.execute(
        "INSERT INTO events (session_id, event_key, type, occurred_at, payload) SELECT %s, gen_random_uuid(), 'scroll',"
        " '9999-12-31T23:59:58Z', x FROM unnest(%s::text[]) x",
        [session, ['{"x":1e999}', "[" * 9_000, "not JSON", "[1]", '{"max_scroll_depth":' + "9" * 400 + "}"]],
    )
    # Python has no year 10000, where the time of these rows lies in Korea.
    await db.execute("SET timezone = 'Asia/Seoul'")
    assert (await load_timeline(db, uuid.UUID(session))).num_events == 3
    timeline = await ann.ok("GET", f"/v1/sessions/{session}/timeline")
    assert (len(timeline["visits"]), timeline["num_unreadable_events"]) == (2, 4)
    await ann.ok("PATCH", f"/v1/sessions/{session}", json={"title": "Bears"})
    await ann.ok("PATCH", f"/v1/sessions/{session}/pause")
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    assert (await ann.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]["status"] == "completed"
    await ann.ok("DELETE", f"/v1/sessions/{session}")
    await ann.ok("POST", f"/v1/sessions/{session}/restore")


async def test_the_timeline_has_origins_times_away_and_the_place_of_a_quote(ann: ApiUser) -> None:
    session = await ann.start()
    at = 1_760_000_000_000
    first = str(uuid.uuid4())
    quote = {"type": "TextQuoteSelector", "exact": "Bears eat berries", "prefix": "In summer. ", "suffix": " and fish"}
    await ann.send(
        session,
        [
            visit("https://example.com/a", at, event_id=first, referrer="https://search.example/?q=bears"),
            visit("https://example.com/b", at + 60_000, metadata={"opener_visit_id": first}),
            {"type": "idle", "timestamp": at + 70_000, "url": "https://example.com/b"},
            {"type": "active", "timestamp": at + 170_000, "url": "https://example.com/b"},
            {
                "type": "highlight",
                "timestamp": at + 180_000,
                "url": "https://elsewhere.example/bears",
                "text": "Bears eat berries",
                "metadata": {"anchor": [quote, {"type": "TextPositionSelector", "start": 12, "end": 29}]},
            },
        ],
    )
    timeline = await ann.ok("GET", f"/v1/sessions/{session}/timeline")
    opened, second = timeline["visits"]
    assert (opened["referrer"], "opened_from" in opened) == ("https://search.example/?q=bears", False)
    assert (second["opened_from"], "referrer" in second) == (opened["id"], False)
    assert [away["reason"] for away in timeline["away"]] == ["idle"]
    assert second["duration_ms"] == 20_000, "without the hundred seconds of idle time"
    (stray,) = timeline["highlights"]
    assert stray["anchor"] == quote
    listed = await ann.ok("GET", f"/v1/sessions/{session}/events?type=highlight")
    assert listed["highlights"][0]["anchor"] == quote
