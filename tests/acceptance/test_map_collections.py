"""Joint maps over several sessions, and threads."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.maintenance import purge_session
from cluster.maps.notifications import joint_map_channel
from cluster.mindmap.clustering.session_merging import merge_sessions
from cluster.settings import Settings
from models.mindmap.document import MindmapDocument
from models.mindmap.validation import validate_document
from models.recording.timeline_store import load_pages
from tests.support.client import ApiUser, visit
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]
SUBJECTS = {
    "bread": "sourdough starter flour dough oven crust yeast loaf baking hydration crumb proofing",
    "chess": "chess opening knight bishop endgame rook gambit checkmate pawn sicilian castling tempo",
    "tides": "ocean tide moon gravity estuary current wave salinity coast harbour neap spring",
}
DAY_MS = 86_400_000


async def session_about(person: ApiUser, worker: InProcessWorker, *subjects: str, part: int = 0) -> str:
    """A finished session of four pages on each subject."""
    session = await person.start()
    await person.send(session, visits_about(*subjects, part=part))
    await person.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    return session


def visits_about(*subjects: str, part: int = 0) -> list[dict[str, Any]]:
    """Visits of four pages on each subject, one a minute; each `part` has texts of its own."""
    events = []
    for j, subject in enumerate(subjects):
        words = SUBJECTS[subject].split()
        for i in range(4):
            turned = words[i + part :] + words[: i + part]
            url = f"https://{subject}{i}.example/{subject}/{part}/{turned[0]}"
            text = " ".join(f"The {a} of the {subject} meets the {b}." for a, b in zip(turned, words, strict=True))
            at = 1_760_000_000_000 + (j * 4 + i) * 60_000
            events.append(visit(url, at, title=f"{subject.capitalize()}: {turned[0]}", content=text * 3))
    return events


async def test_a_joint_map_over_chosen_sessions_is_valid(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    one = await session_about(ann, worker, "bread", "chess")
    two = await session_about(ann, worker, "bread", "tides", part=2)
    answer = await ann.call("POST", "/v1/maps", json={"session_ids": [two, one, one], "title": "Both"})
    assert answer.status_code == 202
    ordered = answer.json()["map"]
    assert (ordered["status"], ordered["session_ids"]) == ("generating", [one, two])
    assert "data" not in ordered
    await worker.run()
    made = (await ann.ok("GET", f"/v1/maps/{ordered['id']}"))["map"]
    assert (made["status"], made["percent"], made["provider"], made["title"]) == ("completed", 100, "local", "Both")
    pages = merge_sessions([(await load_pages(db, uuid.UUID(s), uuid.UUID(ann.id)))[1] for s in (one, two)])
    assert validate_document(MindmapDocument.from_json(made["data"]), pages) == []
    assert made["data"]["coverage"]["captured"] == len(pages) == 16
    assert made["data"]["scorecard"]["coverage"] == 1
    parents = {e["target"]: e["source"] for e in made["data"]["edges"] if e["kind"] == "contains"}
    above = {n["id"]: parents.get(n["id"]) for n in made["data"]["nodes"]}
    bread = set()
    for node in made["data"]["nodes"]:
        if node["type"] == "page" and "bread" in node["data"]["urls"][0]:
            at = node["id"]
            while above[at] != "core":
                at = above[at]
            bread.add(at)
    assert len(bread) == 1, "what two sessions read about one subject is one topic"
    listed = await ann.ok("GET", "/v1/maps")
    assert (listed["total"], [m["id"] for m in listed["maps"]]) == (1, [made["id"]])
    assert listed["maps"][0]["title"] == "Both"
    assert "data" not in listed["maps"][0]

    # Made again from the same pages it is the same map.
    assert (await ann.call("POST", f"/v1/maps/{made['id']}/generate")).status_code == 202
    await worker.run()
    assert (await ann.ok("GET", f"/v1/maps/{made['id']}"))["map"]["data"] == made["data"]
    assert (await ann.call("DELETE", f"/v1/maps/{made['id']}")).status_code == 204
    assert (await ann.call("GET", f"/v1/maps/{made['id']}")).status_code == 404
    assert (await ann.ok("GET", f"/v1/sessions/{one}"))["session"]["session_status"] == "completed"


async def test_a_joint_map_over_a_range_of_dates(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    sessions = [await session_about(ann, worker, "bread", part=i) for i in range(3)]
    for i, session in enumerate(sessions):
        await db.execute(
            "UPDATE browsing_sessions SET started_at = %s WHERE id = %s",
            [f"2026-03-0{i + 1}T12:00:00Z", session],
        )
    await ann.start()  # Still recording: not part of it.
    body = {"since": "2026-03-01T12:00:00Z", "until": "2026-03-03T12:00:00"}
    ordered = (await ann.ok("POST", "/v1/maps", json=body))["map"]
    assert ordered["session_ids"] == sessions[:2]
    assert ordered["until"] == "2026-03-03T12:00:00.000Z"
    assert "title" not in ordered
    await worker.run()
    made = (await ann.ok("GET", f"/v1/maps/{ordered['id']}"))["map"]
    assert made["status"] == "completed"
    # Without a title of the user it has that of its document, in the list too, and follows the name of the core.
    assert made["title"] == made["data"]["title"] == (await ann.ok("GET", "/v1/maps"))["maps"][0]["title"] != ""
    rename = {"op": "rename", "node_id": "core", "label": "March"}
    await ann.ok("PATCH", f"/v1/maps/{ordered['id']}", json={"operations": [rename]})
    assert (await ann.ok("GET", "/v1/maps"))["maps"][0]["title"] == "March"


async def test_invalid_and_foreign_requests_are_refused(ann: ApiUser, bob: ApiUser, worker: InProcessWorker) -> None:
    mine = await session_about(ann, worker, "bread")
    recording = await ann.start()
    for body, status in (
        ({}, 400),
        ({"session_ids": []}, 400),
        ({"session_ids": ["x"]}, 400),
        ({"session_ids": [str(uuid.uuid4()) for _ in range(51)]}, 400),
        ({"session_ids": [mine], "since": "2026-01-01T00:00:00Z"}, 400),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, 400),
        ({"since": "2100-01-01T00:00:00Z"}, 400),
        ({"since": "0001-01-01T00:00:00+14:00"}, 400),
        ({"until": "9999-12-31T23:59:59-12:00"}, 400),
        ({"session_ids": [recording]}, 400),
        ({"session_ids": [mine, str(uuid.uuid4())]}, 404),
    ):
        answer = await ann.call("POST", "/v1/maps", json=body)
        assert answer.status_code == status, body
        assert set(answer.json()["error"]) >= {"message", "code"}
    assert (await bob.call("POST", "/v1/maps", json={"session_ids": [mine]})).status_code == 404
    made = (await ann.ok("POST", "/v1/maps", json={"session_ids": [mine]}))["map"]["id"]
    for method, path in (("GET", ""), ("POST", "/generate"), ("DELETE", "")):
        assert (await bob.call(method, f"/v1/maps/{made}{path}")).status_code == 404
    assert (await ann.call("GET", "/v1/maps/x")).status_code == 404
    assert (await bob.ok("GET", "/v1/maps"))["maps"] == []


async def test_deleting_a_session_removes_it_from_joint_maps(
    ann: ApiUser, worker: InProcessWorker, settings: Settings, db: Db
) -> None:
    kept, gone = await session_about(ann, worker, "bread"), await session_about(ann, worker, "tides")
    made = (await ann.ok("POST", "/v1/maps", json={"session_ids": [kept, gone]}))["map"]["id"]
    await worker.run()
    await ann.call("DELETE", f"/v1/sessions/{gone}")
    hidden = (await ann.ok("GET", f"/v1/maps/{made}"))["map"]
    assert (hidden["status"], "data" in hidden, hidden["session_ids"]) == ("failed", False, [kept])
    assert "deleted" in hidden["error_message"]
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        await purge_session(pool, uuid.UUID(gone))
    row = await (await db.execute("SELECT data FROM joint_maps WHERE id = %s", [made])).fetchone()
    assert row == (None,), "nothing of it is left on the disk"
    await ann.ok("POST", f"/v1/maps/{made}/generate")
    await worker.run()
    again = (await ann.ok("GET", f"/v1/maps/{made}"))["map"]
    assert again["status"] == "completed"
    assert not any("tides" in url for n in again["data"]["nodes"] for url in n["data"]["urls"])
    await ann.call("DELETE", f"/v1/sessions/{kept}")
    await ann.ok("POST", f"/v1/maps/{made}/generate")
    await worker.run()
    empty = (await ann.ok("GET", f"/v1/maps/{made}"))["map"]
    assert (empty["status"], empty["error_message"]) == (
        "failed",
        "every session of this map was deleted; you can try again",
    )


async def threads(person: ApiUser, query: str = "") -> list[dict[str, Any]]:
    reply = await person.ok("GET", f"/v1/threads{query}")
    assert reply["total"] >= len(reply["threads"])
    found: list[dict[str, Any]] = reply["threads"]
    return found


async def test_threads_join_recurring_topics_and_apply_the_users_links(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, db: Db
) -> None:
    assert await threads(ann) == []
    one = await session_about(ann, worker, "bread", "chess")
    two = await session_about(ann, worker, "bread", "tides", part=2)
    found = await threads(ann)
    assert len(found) == 1
    thread = found[0]
    assert [m["session_id"] for m in thread["members"]] == [one, two]
    assert 0.4 <= thread["confidence"] <= 1
    assert all(m["linked_by"] == "trailmind" and m["label"] and m["session_title"] for m in thread["members"])
    assert await threads(ann, f"?session_id={uuid.uuid4()}") == []
    assert await threads(ann, f"?session_id={one}") == found
    row = await (await db.execute("SELECT found_at FROM thread_findings WHERE user_id = %s", [ann.id])).fetchone()
    await threads(ann)
    same = await (await db.execute("SELECT found_at FROM thread_findings WHERE user_id = %s", [ann.id])).fetchone()
    assert row == same, "nothing changed, so nothing was looked for"

    first = {key: thread["members"][0][key] for key in ("session_id", "topic_id")}
    second = {key: thread["members"][1][key] for key in ("session_id", "topic_id")}
    pair = {"topic": first, "other": second}
    assert (await bob.call("POST", "/v1/threads/unlink", json=first)).status_code == 404
    assert (await bob.call("POST", "/v1/threads/link", json=pair)).status_code == 404
    for _ in range(2):
        assert (await ann.call("POST", "/v1/threads/unlink", json=first)).status_code == 204
        assert await threads(ann) == []
    for _ in range(2):
        assert (await ann.call("POST", "/v1/threads/link", json=pair)).status_code == 204
        (linked,) = await threads(ann)
        assert {m["linked_by"] for m in linked["members"]} == {"user"}
        assert linked["confidence"] == 1
    await ann.call("DELETE", f"/v1/sessions/{two}")
    assert await threads(ann) == []


@pytest.mark.parametrize("topic", ["no such topic", "core"])
async def test_only_topics_can_be_linked(ann: ApiUser, worker: InProcessWorker, topic: str) -> None:
    one = await session_about(ann, worker, "bread")
    body = {"session_id": one, "topic_id": topic}
    assert (await ann.call("POST", "/v1/threads/unlink", json=body)).status_code == 404
    answer = await ann.call("POST", "/v1/threads/link", json={"topic": body, "other": body})
    assert answer.status_code == 400, "a thread joins different sessions"


async def test_a_joint_map_has_versions_and_edits_like_any_other(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, settings: Settings, db: Db
) -> None:
    one, two = await session_about(ann, worker, "bread", "chess"), await session_about(ann, worker, "tides")
    made = (await ann.ok("POST", "/v1/maps", json={"session_ids": [one, two]}))["map"]["id"]
    path = f"/v1/maps/{made}"
    for call in (("PATCH", "", {"json": {"operations": [{"op": "undo"}]}}), ("POST", "/versions/1/restore", {})):
        assert (await ann.call(call[0], path + call[1], **call[2])).status_code == 404, "no version yet"
    await worker.run()
    first = (await ann.ok("GET", path))["map"]
    assert (first["version"], first["edits"]["seq"]) == (1, 0)
    topic = next(node for node in first["data"]["nodes"] if node["type"] == "topic")["id"]
    rename = {"op": "rename", "op_id": "r1", "node_id": topic, "label": "Mine"}
    for _ in range(2):  # A repeated request changes nothing.
        edited = await ann.ok("PATCH", path, json={"operations": [rename], "expected_seq": 0})
        assert edited["reports"][0]["status"] == "applied"
        assert edited["map"]["edits"] == {"seq": 1, "num_in_effect": 1, "can_undo": True, "can_redo": False,
                                          "not_applied": []}  # fmt: skip
        assert label_of(edited["map"], topic) == "Mine"
    assert (await ann.call("PATCH", path, json={"operations": [{"op": "hide", "node_id": topic}], "expected_seq": 0})
            ).status_code == 409  # fmt: skip
    assert label_of((await ann.ok("POST", f"{path}/undo"))["map"], topic) != "Mine"
    assert label_of((await ann.ok("POST", f"{path}/redo"))["map"], topic) == "Mine"
    assert (await ann.call("POST", f"{path}/redo")).status_code == 409

    # The map is the same while its input is: another version comes with another input, and keeps the edits.
    await ann.ok("POST", f"{path}/generate")
    await worker.run()
    assert (await ann.ok("GET", path))["map"]["version"] == 1
    await db.execute("UPDATE joint_maps SET title = 'All of it' WHERE id = %s", [made])
    await ann.ok("POST", f"{path}/generate")
    await worker.run()
    second = (await ann.ok("GET", path))["map"]
    assert (second["version"], second["status"], label_of(second, topic)) == (2, "completed", "Mine")
    listed = await ann.ok("GET", f"{path}/versions")
    assert [(v["number"], v["is_current"], v["edits_seq"]) for v in listed["versions"]] == [(2, True, 3), (1, False, 3)]
    assert "data" not in listed["versions"][0]
    assert (await ann.ok("GET", f"{path}/versions/1"))["version"]["data"]["nodes"]
    assert (await ann.ok("GET", f"{path}/versions/1/diff"))["new"] == 2
    for _ in range(2):
        restored = (await ann.ok("POST", f"{path}/versions/1/restore"))["map"]
        assert (restored["version"], label_of(restored, topic)) == (3, "Mine")
    assert (await ann.ok("GET", f"{path}/versions"))["versions"][0]["restored_from"] == 1
    for bad in ("9", "0"):
        assert (await ann.call("GET", f"{path}/versions/{bad}")).status_code in {400, 404}
    for method, tail in (("GET", "/versions"), ("GET", "/versions/1"), ("GET", "/versions/1/diff"),
                         ("POST", "/versions/1/restore"), ("POST", "/undo")):  # fmt: skip
        assert (await bob.call(method, path + tail)).status_code == 404

    # An erased session leaves no version with its pages.
    await ann.call("DELETE", f"/v1/sessions/{two}")
    assert (await ann.ok("GET", f"{path}/versions")) == {"versions": [], "total": 0}
    assert (await ann.call("GET", f"{path}/versions/1")).status_code == 404
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        await purge_session(pool, uuid.UUID(two))
    count = await (await db.execute("SELECT count(*) FROM joint_map_versions WHERE map_id = %s", [made])).fetchone()
    assert count == (0,)
    count = await (await db.execute("SELECT count(*) FROM joint_map_edits WHERE map_id = %s", [made])).fetchone()
    assert count == (0,)
    await ann.ok("POST", f"{path}/generate")
    await worker.run()
    last = (await ann.ok("GET", path))["map"]
    assert (last["status"], last["version"]) == ("completed", 1)
    assert not any("tides" in url for n in last["data"]["nodes"] for url in n["data"]["urls"])


def label_of(joint_map: dict[str, Any], node_id: str) -> str | None:
    return next((node["label"] for node in joint_map["data"]["nodes"] if node["id"] == node_id), None)


async def test_twenty_maps_over_sessions_and_dates(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    days = 5
    sessions = []
    for day in range(days):
        subjects = [*SUBJECTS][day % 3 : day % 3 + 2] or ["bread"]
        sessions.append(await session_about(ann, worker, *subjects, part=day))
        await db.execute(
            "UPDATE browsing_sessions SET started_at = make_timestamptz(2026, 11, %s, 12, 0, 0, 'UTC') WHERE id = %s",
            [10 + day, sessions[-1]],
        )
    ranges = [(first, last) for first in range(days) for last in range(first, days)]
    requests: list[tuple[dict[str, Any], int, int]]
    requests = [({"session_ids": sessions[first : last + 1]}, first, last) for first, last in ranges[::3]]
    requests += [
        ({"since": f"2026-11-{10 + first}T00:00:00Z", "until": f"2026-11-{11 + last}T00:00:00Z"}, first, last)
        for first, last in ranges
    ]
    assert len(requests) == 20
    for body, first, last in requests:
        ordered = (await ann.ok("POST", "/v1/maps", json=body))["map"]
        assert ordered["session_ids"] == sessions[first : last + 1]
    await worker.run()
    listed = await ann.ok("GET", "/v1/maps?limit=50")
    assert (listed["total"], {m["status"] for m in listed["maps"]}) == (20, {"completed"})
    for summary in listed["maps"]:
        made = (await ann.ok("GET", f"/v1/maps/{summary['id']}"))["map"]
        loaded = [await load_pages(db, uuid.UUID(s), uuid.UUID(ann.id)) for s in made["session_ids"]]
        assert validate_document(MindmapDocument.from_json(made["data"]), merge_sessions([p for _, p in loaded])) == []
        topic = next(node for node in made["data"]["nodes"] if node["type"] == "topic")["id"]
        edit = {"op": "rename", "node_id": topic, "label": "Renamed"}
        edited = await ann.ok("PATCH", f"/v1/maps/{summary['id']}", json={"operations": [edit]})
        assert label_of(edited["map"], topic) == "Renamed"
        assert (await ann.ok("GET", f"/v1/maps/{summary['id']}/versions"))["total"] == 1


async def test_a_joint_map_is_exported_drawn_and_read_like_the_map_of_one_session(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, db: Db
) -> None:
    one = await session_about(ann, worker, "bread")
    two = await session_about(ann, worker, "tides")
    made = (await ann.ok("POST", "/v1/maps", json={"session_ids": [one, two], "title": "Bread and tides"}))["map"]["id"]
    assert (await ann.call("GET", f"/v1/maps/{made}/image")).status_code == 404, "there is no version yet"
    await worker.run()
    data = (await ann.ok("GET", f"/v1/maps/{made}"))["map"]["data"]
    await db.execute("INSERT INTO plan_overrides (user_id, plan, reason) VALUES (%s, 'enterprise', 'a test')", [ann.id])
    for size in ("full", "thumbnail"):
        drawn = await ann.call("GET", f"/v1/maps/{made}/image?size={size}&layout=tree")
        assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")
    topics = [node["label"] for node in data["nodes"] if node["type"] == "topic"]
    for kind in ("markdown", "opml", "freemind", "svg", "json"):
        saved = await ann.call("GET", f"/v1/maps/{made}/export?format={kind}&layout=tree")
        assert saved.status_code == 200
        assert "Bread and tides" in saved.headers["content-disposition"]
        assert all(label in saved.text for label in topics), kind
    assert (await ann.call("GET", f"/v1/maps/{made}/export?format=png&width=300")).content.startswith(b"\x89PNG")
    # Spreadsheets get the timeline of all its sessions.
    saved = await ann.call("GET", f"/v1/maps/{made}/export?format=csv")
    rows = list(csv.DictReader(io.StringIO(saved.content.decode("utf-8-sig"))))
    assert [row["started_at"] for row in rows] == sorted(row["started_at"] for row in rows)
    assert len(rows) == 8
    assert {urlsplit(row["url"]).path.split("/")[1] for row in rows} == {"bread", "tides"}
    for node in data["nodes"]:
        if node["type"] == "page":
            page = await ann.ok("GET", f"/v1/maps/{made}/pages/{node['data']['page_id']}")
            assert page["url"] == node["data"]["urls"][0]
            assert "meets the" in page["text"]
    assert (await ann.call("GET", f"/v1/maps/{made}/pages/unknown")).status_code == 404
    for tail in ("image", "export", f"pages/{data['nodes'][-1]['id']}", "shares"):
        assert (await bob.call("GET", f"/v1/maps/{made}/{tail}")).status_code == 404


async def test_a_joint_map_tells_its_watchers_about_progress_edits_and_its_end(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker
) -> None:
    one = await session_about(ann, worker, "bread", "chess")
    made = (await ann.ok("POST", "/v1/maps", json={"session_ids": [one]}))["map"]["id"]
    path = f"/v1/maps/{made}"
    assert (await bob.call("GET", f"{path}/stream")).status_code == 404
    progress = asyncio.create_task(ann.call("GET", f"{path}/stream"))
    await watched(worker, made)
    await worker.run()
    # Without `follow` a stream ends when the map is done.
    events = stream_events((await progress).text)
    assert [name for name, _ in events] == ["snapshot", *["mindmap"] * 4]
    assert events[0][1]["mindmap"]["status"] == "generating"
    assert [data["percent"] for _, data in events[1:]] == [5, 55, 80, 100]
    assert events[-1][1]["status"] == "completed"

    following = asyncio.create_task(ann.call("GET", f"{path}/stream?follow=true"))
    await watched(worker, made)
    shown = (await ann.ok("GET", path))["map"]
    topic = next(node for node in shown["data"]["nodes"] if node["type"] == "topic")["id"]
    await ann.ok("PATCH", path, json={"operations": [{"op": "rename", "node_id": topic, "label": "Mine"}]})
    await ann.ok("POST", f"{path}/undo")
    await ann.ok("POST", f"{path}/generate")
    await ann.call("DELETE", path)
    events = stream_events((await following).text)
    assert events[0][1]["mindmap"] == {"status": "completed", "percent": 100, "version": 1, "seq": 0, "stage": None}
    assert [(name, data.get("seq")) for name, data in events[1:]] == [
        ("mindmap_edited", 1), ("mindmap_edited", 2), ("mindmap", None),
    ]  # fmt: skip


async def watched(worker: InProcessWorker, map_id: str) -> None:
    """Wait until a stream about the map has subscribed."""
    async with asyncio.timeout(30):
        while (await worker.valkey.pubsub_numsub(joint_map_channel(map_id)))[0][1] == 0:
            await asyncio.sleep(0.02)


def stream_events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream, without comments."""
    blocks = [dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
              for block in text.split("\n\n")]  # fmt: skip
    return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


async def test_a_link_to_a_joint_map(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, api: httpx2.AsyncClient
) -> None:
    one = await session_about(ann, worker, "bread")
    two = await session_about(ann, worker, "tides")
    made = (await ann.ok("POST", "/v1/maps", json={"session_ids": [one, two], "title": "Both"}))["map"]["id"]
    await worker.run()
    shares = f"/v1/maps/{made}/shares"
    assert (await bob.call("POST", shares)).status_code == 404
    answer = await ann.call("POST", shares, json={"shows": "pages"})
    share = answer.json()["share"]
    assert (answer.status_code, share["map_id"], "session_id" in share) == (201, made, False)
    assert [link["id"] for link in (await ann.ok("GET", shares))["shares"]] == [share["id"]]
    assert (await ann.ok("GET", f"/v1/sessions/{one}/shares"))["shares"] == []
    path = "/v1/shared/" + share["url"].rsplit("/", 1)[1]
    shown = (await api.get(path)).json()
    sessions = [(await ann.ok("GET", f"/v1/sessions/{each}"))["session"] for each in (one, two)]
    assert shown["title"] == "Both"
    assert shown["dwell_ms"] == sum(session["dwell_ms"] for session in sessions)
    assert shown["started_at"] == min(session["started_at"] for session in sessions)
    assert {node["type"] for node in shown["mindmap"]["nodes"]} >= {"core", "topic", "page"}
    assert (await api.get(path + "/image")).status_code == 200
    picture_path = f"/v1/maps/{made}/picture"
    for method in ("POST", "DELETE"):
        assert (await bob.call(method, picture_path)).status_code == 404
    picture = "/pictures/" + (await ann.ok("POST", picture_path))["url"].rsplit("/", 1)[1]

    # A deleted session is not shown, and is shown again when it is restored.
    await ann.call("DELETE", f"/v1/sessions/{two}")
    assert [(await api.get(each)).status_code for each in (path, picture)] == [404, 404]
    assert (await ann.call("POST", picture_path)).status_code == 404
    await ann.ok("POST", f"/v1/sessions/{two}/restore")
    assert [(await api.get(each)).status_code for each in (path, picture)] == [200, 200]

    # The picture has the look that the link asks for, and leaves out what the user has hidden.
    image = await api.get(picture, params={"layout": "tree", "theme": "dark", "palette": "dashboard"})
    assert image.headers["content-type"] == "image/svg+xml"
    assert image.headers["x-robots-tag"] == "noindex, nofollow, noarchive"
    topics = [node for node in shown["mindmap"]["nodes"] if node["type"] == "topic"]
    assert all(node["label"] in image.text and node["color"] not in image.text for node in topics)
    assert topics[0]["color"] in (await api.get(picture)).text
    hide = {"op": "hide", "op_id": "hide-1", "node_id": topics[0]["id"]}
    await ann.ok("PATCH", f"/v1/maps/{made}", json={"operations": [hide]})
    assert topics[0]["label"] not in (await api.get(picture, params={"layout": "tree"})).text

    # Revoking ends the links to the map's picture, and no others.
    of_session = "/pictures/" + (await ann.ok("POST", f"/v1/sessions/{one}/mindmap/picture"))["url"].rsplit("/", 1)[1]
    assert (await ann.call("DELETE", picture_path)).status_code == 204
    assert [(await api.get(each)).status_code for each in (picture, of_session, path)] == [404, 200, 200]
    picture = "/pictures/" + (await ann.ok("POST", picture_path))["url"].rsplit("/", 1)[1]
    assert (await api.get(picture)).status_code == 200
    assert (await bob.call("DELETE", f"{shares}/{share['id']}")).status_code == 404
    assert (await ann.call("DELETE", f"{shares}/{share['id']}")).status_code == 204
    assert (await api.get(path)).status_code == 404
    assert (await ann.call("DELETE", f"{shares}/{share['id']}")).status_code == 404
