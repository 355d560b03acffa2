"""Edits of a map over HTTP: apply, report, undo, replay on new versions; and the versions themselves."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from typing import Any

import psycopg
import pytest

from models.mindmap.document import MindmapDocument
from models.mindmap.validation import validate_document
from models.recording.timeline_store import load_pages
from tests.acceptance.test_mindmaps import record
from tests.support.client import ApiUser, visit
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]


async def mapped(person: ApiUser, worker: InProcessWorker) -> str:
    session = await record(person)
    await person.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    return session


async def get(person: ApiUser, session: str) -> dict[str, Any]:
    reply: dict[str, Any] = (await person.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]
    return reply


async def change(person: ApiUser, session: str, *operations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"operations": list(operations), **fields}
    reply: dict[str, Any] = await person.ok("PATCH", f"/v1/sessions/{session}/mindmap", json=body)
    return reply


def topics(mindmap: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in mindmap["data"]["nodes"] if node["type"] == "topic"]


def pages_of(mindmap: dict[str, Any], topic: str) -> set[str]:
    children: dict[str, list[str]] = {}
    for edge in mindmap["data"]["edges"]:
        if edge["kind"] == "contains":
            children.setdefault(edge["source"], []).append(edge["target"])
    found, waiting = set(), [topic]
    while waiting:
        at = waiting.pop()
        found.add(at)
        waiting += children.get(at, [])
    return {n["id"] for n in mindmap["data"]["nodes"] if n["type"] == "page" and n["id"] in found}


async def check(db: Db, person: ApiUser, session: str) -> None:
    """What is shown is a valid map of the session's pages."""
    shown = (await get(person, session))["data"]
    _, pages = await load_pages(db, uuid.UUID(session), uuid.UUID(person.id))
    assert validate_document(MindmapDocument.from_json(shown), pages) == []


async def test_every_kind_of_edit_survives_a_new_version(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    session = await mapped(ann, worker)
    first = await get(ann, session)
    assert first["edits"] == {"seq": 0, "num_in_effect": 0, "can_undo": False, "can_redo": False, "not_applied": []}
    one, two = topics(first)[:2]
    members = sorted(pages_of(first, one["id"]))
    moved = sorted(pages_of(first, two["id"]))[0]
    reply = await change(
        ann,
        session,
        {"op": "rename", "op_id": "r1", "node_id": one["id"], "label": "My   <b>own</b> name"},
        {"op": "split", "op_id": "s1", "node_id": one["id"], "member_ids": members[:2], "label": "Split off"},
        {"op": "move", "op_id": "m1", "node_id": moved, "parent_id": one["id"]},
        {"op": "pin", "op_id": "p1", "node_id": two["id"], "position": {"x": 50, "y": -60, "z": 7}},
        {"op": "hide", "op_id": "h1", "node_id": members[2]},
        {"op": "add_node", "op_id": "a1", "parent_id": two["id"], "label": "A note", "description": "To read"},
        {"op": "delete", "op_id": "d1", "node_id": members[3]},
        {"op": "merge", "op_id": "x1", "node_ids": [one["id"], "no such topic"]},
    )
    assert [r["status"] for r in reply["reports"]] == [
        "adapted", "applied", "applied", "applied", "applied", "applied", "applied", "not_applied",
    ]  # fmt: skip
    assert reply["reports"][-1]["sentence"] == "What was edited is no longer on the map."
    assert reply["reports"][-1]["reason"] == "gone"
    assert reply["mindmap"]["edits"]["seq"] == 7, "what could not be done is not logged"
    await check(db, ann, session)

    for _ in range(2):
        await ann.ok("POST", f"/v1/sessions/{session}/mindmap/generate", json={"force": True})
        await worker.run()
        again = await get(ann, session)
        assert again["edits"]["not_applied"] == []
        nodes = {node["id"]: node for node in again["data"]["nodes"]}
        assert nodes[one["id"]]["label"] == "My <b>own</b> name"
        assert next(n for n in nodes.values() if n["label"] == "Split off")["type"] == "topic"
        assert moved in pages_of(again, one["id"])
        assert nodes[two["id"]]["position"] == {"x": 50, "y": -60, "z": 7}
        assert nodes[members[2]]["data"]["hidden"]
        assert any(n["label"] == "A note" for n in nodes.values())
        assert members[3] not in nodes
        left_out = {one["page_id"]: one["reason"] for one in again["data"]["left_out"]}
        assert left_out[members[3]] == "deleted_by_user"
        await check(db, ann, session)
    assert again["version"] == 3
    keywords = (await ann.ok("GET", f"/v1/sessions/{session}"))["session"]["keywords"]
    assert "My <b>own</b> name" in keywords


async def test_undo_and_redo(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await mapped(ann, worker)
    first = await get(ann, session)
    topic = topics(first)[0]
    path = f"/v1/sessions/{session}/mindmap"

    def label(mindmap: dict[str, Any]) -> str:
        return str(next(n for n in mindmap["data"]["nodes"] if n["id"] == topic["id"])["label"])

    assert (await ann.call("POST", f"{path}/undo")).status_code == 409
    await change(ann, session, {"op": "rename", "node_id": topic["id"], "label": "One"})
    await change(ann, session, {"op": "rename", "node_id": topic["id"], "label": "Two"})
    assert label((await ann.ok("POST", f"{path}/undo"))["mindmap"]) == "One"
    reply = (await ann.ok("POST", f"{path}/undo"))["mindmap"]
    assert label(reply) == topic["label"]
    assert reply["data"] == first["data"], "with every edit undone the map is the generated one"
    assert reply["edits"] == {"seq": 4, "num_in_effect": 0, "can_undo": False, "can_redo": True, "not_applied": []}
    assert label((await ann.ok("POST", f"{path}/redo", json={"expected_seq": 4}))["mindmap"]) == "One"
    await change(ann, session, {"op": "rename", "node_id": topic["id"], "label": "Three"})
    assert (await ann.call("POST", f"{path}/redo")).status_code == 409, "something new was done since"
    # The same steps as operations, as the dashboard sends them.
    reply = await change(ann, session, {"op": "undo"}, {"op": "redo"}, {"op": "redo"})
    assert [r["status"] for r in reply["reports"]] == ["applied", "applied", "not_applied"]
    log = await ann.ok("GET", f"{path}/edits")
    assert [e["entry"]["op"] for e in log["edits"]] == [
        "redo", "undo", "rename", "redo", "undo", "undo", "rename", "rename",
    ]  # fmt: skip
    assert [e["in_effect"] for e in log["edits"]] == [False, False, True, False, False, False, False, True]
    assert log["edits"][2]["report"]["status"] == "applied"
    assert (log["seq"], log["num_in_effect"], log["can_undo"], log["can_redo"]) == (8, 2, True, False)
    assert len((await ann.ok("GET", f"{path}/edits?limit=3&offset=6"))["edits"]) == 2


async def test_title_and_summary_of_a_session_follow_its_topics(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await mapped(ann, worker)
    topic, path = topics(await get(ann, session))[0], f"/v1/sessions/{session}"

    async def texts() -> tuple[str, str]:
        shown = (await ann.ok("GET", path))["session"]
        return shown["title"], shown["summary"]

    generated = await texts()
    assert all(topic["label"] in text for text in generated)
    await change(ann, session, {"op": "rename", "node_id": topic["id"], "label": "Grandmother"})
    renamed = await texts()
    assert all("Grandmother" in text and topic["label"] not in text for text in renamed)
    await ann.ok("POST", f"{path}/mindmap/generate", json={"force": True})
    await worker.run()
    assert await texts() == renamed, "a new version has the name, too"
    await ann.ok("POST", f"{path}/mindmap/undo")
    assert await texts() == generated
    await ann.ok("PATCH", path, json={"title": "My own words"})
    await ann.ok("POST", f"{path}/mindmap/redo")
    assert await texts() == ("My own words", renamed[1])


async def test_concurrent_editors_and_repeated_requests(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await mapped(ann, worker)
    topic = topics(await get(ann, session))[0]["id"]
    path = f"/v1/sessions/{session}/mindmap"
    bodies = [
        {"operations": [{"op": "rename", "op_id": f"w{i}", "node_id": topic, "label": f"W{i}"}], "expected_seq": 0}
        for i in range(4)
    ]
    answers = await asyncio.gather(*(ann.call("PATCH", path, json=body) for body in bodies))
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409]
    won = next(i for i, a in enumerate(answers) if a.status_code == 200)
    again = await ann.ok("PATCH", path, json=bodies[won])
    assert (again["mindmap"]["edits"]["seq"], again["reports"][0]["status"]) == (1, "applied")
    # An undo whose answer was lost is sent again, and is not another one.
    undo = {"operations": [{"op": "undo", "op_id": "u"}], "expected_seq": 1}
    for _ in range(2):
        undone = await ann.ok("PATCH", path, json=undo)
        assert (undone["mindmap"]["edits"]["seq"], undone["reports"][0]["status"]) == (2, "applied")
    redo = {"operations": [{"op": "redo", "op_id": "r"}, {"op": "redo", "op_id": "r"}]}
    assert (await ann.ok("PATCH", path, json=redo))["mindmap"]["edits"]["seq"] == 3
    stale = await ann.call("PATCH", path, json={**bodies[won - 1], "expected_seq": 1, "version": 9})
    assert stale.status_code == 409
    assert stale.json()["error"]["code"] == "CONFLICT"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operations": []},
        {"operations": [{"op": "explode"}]},
        {"operations": [{"op": "rename", "node_id": "core", "label": "a\x00b"}]},
        {"operations": [{"op": "undo"}, {"op": "delete", "op_id": "\x00", "node_id": "core"}]},
        {"operations": [{"op": "rename", "node_id": "t"}]},
        {"operations": [{"op": "rename", "node_id": "t", "label": "x", "parent_id": "y"}]},
        {"operations": [{"op": "merge", "node_ids": ["a"]}]},
        {"operations": [{"op": "undo"}] * 101},
        {"operations": [{"op": "pin", "node_id": "t", "position": {"x": 1e300, "y": 0}}]},
        {"operations": [{"op": "place", "node_id": "t", "layout": "tree", "offset": {"x": 1e300, "y": 0}}]},
        {"operations": [{"op": "place", "node_id": "t", "layout": "galaxy", "offset": {"x": 1, "y": 0}}]},
        {"operations": [{"op": "place", "node_id": "t", "layout": "tree", "offset": {"x": 1}}]},
        {"operations": [{"op": "place", "node_id": "t", "offset": {"x": 1, "y": 0}}]},
        {"operations": [{"op": "undo"}], "expected_seq": -1},
    ],
)
async def test_invalid_edits_are_refused(ann: ApiUser, body: dict[str, Any]) -> None:
    session = await ann.start()
    answer = await ann.call("PATCH", f"/v1/sessions/{session}/mindmap", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_edits_need_a_map_and_its_owner(ann: ApiUser, bob: ApiUser, worker: InProcessWorker) -> None:
    session = await ann.start()
    body = {"operations": [{"op": "undo"}]}
    assert (await ann.call("PATCH", f"/v1/sessions/{session}/mindmap", json=body)).status_code == 404
    session = await mapped(ann, worker)
    for method, path, given in (
        ("PATCH", "", body),
        ("POST", "/undo", {}),
        ("POST", "/redo", {}),
        ("GET", "/edits", None),
        ("GET", "/versions", None),
        ("GET", "/versions/1", None),
        ("GET", "/versions/1/diff/1", None),
        ("POST", "/versions/1/restore", {}),
    ):
        answer = await bob.call(method, f"/v1/sessions/{session}/mindmap{path}", json=given)
        assert answer.status_code == 404, path


async def test_versions_are_listed_compared_and_restored(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    session = await record(ann)
    extra = visit(
        "https://tea.example/oolong", 1_760_000_900_000, title="Oolong tea", content="Oolong tea leaves. " * 40
    )
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    # A page more, as if it had come late: the second version is of other input.
    await db.execute("UPDATE browsing_sessions SET status = 'recording' WHERE id = %s", [session])
    await ann.send(session, [extra])
    await ann.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    path = f"/v1/sessions/{session}/mindmap/versions"
    listed = await ann.ok("GET", path)
    assert [v["number"] for v in listed["versions"]] == [2, 1]
    assert [v["is_current"] for v in listed["versions"]] == [True, False]
    assert listed["total"] == 2
    newest, oldest = listed["versions"]
    assert newest["input_digest"] != oldest["input_digest"]
    for version in listed["versions"]:
        assert version["provider"] == "local"
        assert version["cost_usd"] == 0
        assert 0 <= version["scorecard"]["grounding"] <= 1
        assert version["coverage"]["ratio"] == 1
        assert "data" not in version
        assert version["num_topics"] >= 2
    assert [v["number"] for v in (await ann.ok("GET", f"{path}?limit=1&offset=1"))["versions"]] == [1]
    old = (await ann.ok("GET", f"{path}/1"))["version"]
    assert old["num_pages"] == newest["num_pages"] - 1
    assert len(old["data"]["nodes"]) >= old["num_topics"] + old["num_pages"]

    diff = await ann.ok("GET", f"{path}/1/diff/2")
    assert (diff["old"], diff["new"]) == (1, 2)
    assert any("Oolong" in change["sentence"] for change in diff["changes"])
    assert await ann.ok("GET", f"{path}/1/diff?to=2") == diff
    assert await ann.ok("GET", f"{path}/1/diff") == diff
    assert (await ann.ok("GET", f"{path}/2/diff/2"))["changes"] == []
    for bad, status in (("9", 404), ("0", 400), ("x", 400)):
        assert (await ann.call("GET", f"{path}/{bad}")).status_code == status
        assert (await ann.call("GET", f"{path}/1/diff/{bad}")).status_code == status
        assert (await ann.call("POST", f"{path}/{bad}/restore")).status_code == status

    topic = topics({"data": old["data"]})[0]
    await change(ann, session, {"op": "rename", "node_id": topic["id"], "label": "Kept name"})
    for _ in range(2):
        back = (await ann.ok("POST", f"{path}/1/restore"))["mindmap"]
        assert back["version"] == 3, "restoring twice is restoring once"
    assert next(n for n in back["data"]["nodes"] if n["id"] == topic["id"])["label"] == "Kept name"
    third = (await ann.ok("GET", f"{path}/3"))["version"]
    assert (third["restored_from"], third["edits_seq"], third["input_digest"]) == (1, 1, oldest["input_digest"])
    await ann.ok("POST", f"/v1/sessions/{session}/mindmap/undo")
    assert (await get(ann, session))["data"] == old["data"]


async def test_watchers_are_notified_of_edits(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await mapped(ann, worker)
    topic = topics(await get(ann, session))[0]["id"]
    async with worker.valkey.pubsub() as pubsub:
        await pubsub.subscribe(f"trailmind:session:{session}")
        await pubsub.get_message(timeout=5)
        await change(ann, session, {"op": "hide", "node_id": topic})
        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
    assert message is not None
    assert json.loads(message["data"]) == {
        "event": "mindmap_edited",
        "data": {"version": 1, "seq": 1, "edits_not_applied": 0},
    }


async def test_a_stream_begins_with_version_and_length_of_the_log(ann: ApiUser, worker: InProcessWorker) -> None:
    session = await mapped(ann, worker)
    topic = topics(await get(ann, session))[0]["id"]
    await change(ann, session, {"op": "rename", "node_id": topic, "label": "Mine"})
    # Without `follow` the stream of a completed map ends after its snapshot.
    answer = await ann.call("GET", f"/v1/sessions/{session}/stream")
    snapshot = json.loads(answer.text.split("data: ", 1)[1].splitlines()[0])
    assert (snapshot["mindmap"]["version"], snapshot["mindmap"]["seq"]) == (1, 1)
    assert (await get(ann, session))["edits"]["seq"] == 1


def random_operation(rng: random.Random, mindmap: dict[str, Any]) -> dict[str, Any]:
    """Something a person might do to this map, sensible or not."""
    ids = [node["id"] for node in mindmap["data"]["nodes"]]
    groups = [node["id"] for node in mindmap["data"]["nodes"] if node["type"] in ("topic", "subtopic")] or ids
    one, other, group = rng.choice(ids), rng.choice(ids), rng.choice(groups)
    label = rng.choice(["Mine", "  spaced  ", "<i>x</i>", "", "あ" * 90, "🙂"])
    return rng.choice(
        [
            {"op": "rename", "node_id": one, "label": label},
            {"op": "merge", "node_ids": [group, rng.choice(groups)]},
            {"op": "split", "node_id": group, "member_ids": rng.sample(ids, min(3, len(ids))), "label": label},
            {"op": "split", "node_id": group, "member_ids": sorted(pages_of(mindmap, group))[:1] or ids, "label": "S"},
            {"op": "move", "node_id": one, "parent_id": group},
            {"op": "pin", "node_id": one, "position": {"x": rng.uniform(-900, 900), "y": 0, "z": 0}},
            {"op": "hide", "node_id": one, "hidden": rng.random() < 0.7},
            {"op": "add_node", "parent_id": other, "type": rng.choice(["topic", "subtopic", "page"]), "label": "Note"},
            {"op": "add_edge", "source": one, "target": other},
            {"op": "remove_edge", "source": one, "target": other},
            {"op": "delete", "node_id": one},
            {"op": "undo"},
            {"op": "redo"},
        ]
    )


@pytest.mark.parametrize("seed", range(3))
async def test_random_edits_are_applied_or_reported_on_every_version(
    ann: ApiUser, worker: InProcessWorker, db: Db, seed: int
) -> None:
    rng = random.Random(seed)
    session = await mapped(ann, worker)
    path = f"/v1/sessions/{session}/mindmap"
    for i in range(8):
        shown = await get(ann, session)
        operations = [random_operation(rng, shown) for _ in range(rng.randint(1, 5))]
        reply = await change(ann, session, *operations)
        assert [r["op"] for r in reply["reports"]] == [o["op"] for o in operations]
        assert all(r["sentence"] for r in reply["reports"])
        what = rng.choice(["again", "page", "restore"])
        if what == "page":
            await db.execute("UPDATE browsing_sessions SET status = 'recording' WHERE id = %s", [session])
            words = rng.sample(["tea", "leaf", "oolong", "water", "cup", "steep", "green", "black", "kettle"], 5)
            at = 1_760_001_000_000 + i * 60_000
            text = " ".join(words) * 30
            await ann.send(session, [visit(f"https://tea{i}.example/", at, title=f"Tea {words[0]}", content=text)])
            await ann.ok("POST", f"/v1/sessions/{session}/stop")
            await worker.run()
        elif what == "again":
            await ann.ok("POST", f"{path}/generate", json={"force": True})
            await worker.run()
        else:
            await ann.ok("POST", f"{path}/versions/{rng.randint(1, shown['version'])}/restore")
        now = await get(ann, session)
        log = (await ann.ok("GET", f"{path}/edits?limit=500"))["edits"]
        active = [entry for entry in log if entry["in_effect"]]
        assert all("report" in entry for entry in active), "every edit in effect has its report on every version"
        refused = {entry["entry"]["op_id"] for entry in active if entry["report"]["status"] == "not_applied"}
        assert refused == {report["op_id"] for report in now["edits"]["not_applied"]}
        present = {node["id"]: node for node in now["data"]["nodes"]}
        changed: set[str] = set()
        for entry in active:  # The newest first: what was done to a node last is what it shows.
            node_id, op = entry["report"].get("node_id"), entry["entry"]
            if entry["report"]["status"] != "not_applied" and node_id in present and node_id not in changed:
                if op["op"] == "hide":
                    assert present[node_id]["data"].get("hidden", False) == op["hidden"]
                if op["op"] == "rename":
                    assert present[node_id]["data"]["label_by"] == "user"
                changed.add(node_id)
            if op["op"] in ("merge", "hide", "move", "delete", "split"):
                break  # These reach further than the node they name.
        if what != "restore":
            await check(db, ann, session)
