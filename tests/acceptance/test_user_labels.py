"""Names that a user gave to topics are on the user's next maps too, and go with the session they were given in."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from cluster.jobs.maintenance import purge_session
from cluster.maps.loader import MapRequest, load_map_input
from cluster.maps.pipeline import MapPipeline
from cluster.maps.progress import SilentProgress
from cluster.maps.version_writer import save_version
from cluster.mindmap.text.meaning import encoder_model
from cluster.runs.planning import RunPlanner
from cluster.settings import Settings
from models.mindmap.edits import new_node_id
from models.mindmap.user_labels import UserLabels, load_user_labels
from models.urls import page_id
from tests.acceptance.test_forgetting import dump_of
from tests.acceptance.test_map_edits import change, get, topics
from tests.acceptance.test_map_runs import run_of, start
from tests.support.client import ApiUser, visit
from tests.support.inline_map_tasks import InlineMapTasks
from tests.support.run_workers import run_driver
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]

#: Two evenings with the same two subjects and no common page.
EVENINGS = [
    [
        ("bread", "Sourdough bread for beginners", "Sourdough bread rises with wild yeast from a starter of flour."),
        ("bread", "How to feed a sourdough starter", "Feed the sourdough starter with flour and water every day."),
        ("bread", "Baking sourdough bread in a pot", "The sourdough loaf bakes in a hot pot until the crust is brown."),
        ("chess", "Chess openings for white", "Open the chess game with the king's pawn and fight for the centre."),
        ("chess", "Chess endgames with rooks", "In the chess endgame an active rook is worth a pawn."),
        ("chess", "Chess tactics: pins and forks", "A fork of the knight attacks two chess pieces at once."),
    ],
    [
        ("bread", "Sourdough bread: crumb and crust", "An open crumb of sourdough bread needs strong flour and time."),
        ("bread", "Rye sourdough bread recipe", "A rye sourdough starter makes a dense bread with a thin crust."),
        ("bread", "Sourdough starter smells of vinegar", "A sourdough starter that smells sour needs more flour."),
        (
            "chess",
            "Chess: the Sicilian defence",
            "Black answers the king's pawn with a sharp chess opening.",
        ),
        ("chess", "Chess middlegame plans", "Improve the worst chess piece first, then open a file for the rooks."),
        ("chess", "Chess strategy for pawns", "Doubled pawns are weak in the chess endgame."),
    ],
]


async def evening(person: ApiUser, worker: InProcessWorker, number: int) -> str:
    """Record an evening and have its map made; the id of the session."""
    session = await person.start()
    start_ms = 1_760_000_000_000 + number * 86_400_000
    events = []
    for i, (site, title, text) in enumerate(EVENINGS[number]):
        url, at = f"https://{site}.example/{number}/{i}", start_ms + i * 60_000
        events.append(visit(url, at, title=title, content=f"{text} " * 6))
        events.append({"type": "page_leave", "url": url, "timestamp": at + 50_000, "duration_ms": 50_000})
    await person.send(session, events)
    await person.ok("POST", f"/v1/sessions/{session}/stop")
    await worker.run()
    return session


async def bread_topic(person: ApiUser, session: str) -> dict[str, Any]:
    """The topic of the pages about bread."""
    mindmap = await get(person, session)
    parents = {edge["target"]: edge["source"] for edge in mindmap["data"]["edges"] if edge["kind"] == "contains"}
    pages = [node["id"] for node in mindmap["data"]["nodes"] if "//bread." in str(node["data"].get("urls"))]
    [topic] = [t for t in topics(mindmap) if any(t["id"] in (parents[p], parents.get(parents[p])) for p in pages)]
    return topic


class NamedEvening:
    """A first evening whose topic about bread its user has named with a marker."""

    def __init__(self, person: ApiUser, worker: InProcessWorker, session: str, topic_id: str, name: str) -> None:
        self.person, self.worker, self.session, self.topic_id, self.name = person, worker, session, topic_id, name

    async def next_evening(self) -> str:
        return await evening(self.person, self.worker, 1)

    async def again(self, session: str) -> dict[str, Any]:
        """The topic about bread after the session's map was made anew, as far as anything has changed."""
        await self.person.ok("POST", f"/v1/sessions/{session}/mindmap/generate")
        await self.worker.run()
        return await bread_topic(self.person, session)


@pytest.fixture
async def named(ann: ApiUser, worker: InProcessWorker) -> NamedEvening:
    session = await evening(ann, worker, 0)
    topic = await bread_topic(ann, session)
    name = f"Bakery zq{uuid.uuid4().hex[:10]}"
    await change(ann, session, {"op": "rename", "op_id": "r1", "node_id": topic["id"], "label": name})
    return NamedEvening(ann, worker, session, topic["id"], name)


async def test_the_next_map_carries_the_name_and_says_where_it_comes_from(named: NamedEvening) -> None:
    ann, second = named.person, await named.next_evening()
    topic, mindmap = await bread_topic(ann, second), await get(ann, second)
    assert topic["label"] == named.name
    assert topic["data"]["label_by"] == "user"
    source = topic["data"]["reused_from"]
    assert (source["session_id"], source["topic_id"]) == (named.session, named.topic_id)
    assert source["generated_label"] not in ("", named.name)
    assert [each["data"]["label_by"] for each in topics(mindmap)].count("user") == 1
    assert mindmap["edits"] == {"seq": 0, "num_in_effect": 0, "can_undo": False, "can_redo": False, "not_applied": []}
    session = (await ann.ok("GET", f"/v1/sessions/{second}"))["session"]
    assert named.name in session["keywords"]
    assert named.name in session["title"]
    # The same input gives the same version; the name of this map wins, and the next map learns it.
    assert (await named.again(second))["label"] == named.name
    assert (await get(ann, second))["version"] == 1
    await change(
        ann, second, {"op": "rename", "op_id": "g", "node_id": topic["id"], "label": source["generated_label"]}
    )
    kept = await bread_topic(ann, second)
    assert kept["label"] == source["generated_label"]
    assert "reused_from" not in kept["data"]
    shown = await named.again(named.session)
    assert shown["label"] == named.name, "the edits of a map are replayed on its new versions"


async def test_a_name_is_about_the_pages_on_all_levels_below_it(named: NamedEvening) -> None:
    ann, mindmap = named.person, await get(named.person, named.session)
    pages = [node["id"] for node in mindmap["data"]["nodes"] if "//bread." in str(node["data"].get("urls"))]
    pages = [node_id for node_id in pages if node_id.startswith("p_")]
    upper, lower = new_node_id("upper"), new_node_id("lower")
    for op_id, parent in (("upper", named.topic_id), ("lower", upper)):
        add = {"op": "add_node", "op_id": op_id, "type": "subtopic", "parent_id": parent, "label": f"Part {op_id}"}
        await change(ann, named.session, add)
    moves = [{"op": "move", "op_id": page, "node_id": page, "parent_id": lower} for page in pages]
    reply = await change(ann, named.session, *moves)
    assert {report["status"] for report in reply["reports"]} == {"applied"}
    topic = await bread_topic(ann, await named.next_evening())
    assert topic["label"] == named.name


async def test_another_user_gets_nothing_of_it(named: NamedEvening, bob: ApiUser, db: Db) -> None:
    theirs = await evening(bob, named.worker, 1)
    assert "user" not in [each["data"]["label_by"] for each in topics(await get(bob, theirs))]
    found = await load_user_labels(db, uuid.UUID(bob.id), uuid.UUID(theirs), encoder_model())
    assert found == UserLabels()
    # Nor a map over several sessions, which has edits of its own.
    mine = await named.next_evening()
    path = f"/v1/maps/{(await named.person.ok('POST', '/v1/maps', json={'session_ids': [mine]}))['map']['id']}"
    await named.worker.run()
    assert named.name not in str(await named.person.ok("GET", path))


async def test_a_name_that_was_undone_is_not_used_any_more(named: NamedEvening) -> None:
    second = await named.next_evening()
    first_path = f"/v1/sessions/{named.session}/mindmap"
    await named.person.ok("POST", f"{first_path}/undo")
    assert (await bread_topic(named.person, second))["label"] == named.name, "a map that exists stays"
    topic = await named.again(second)
    assert topic["label"] != named.name
    assert "reused_from" not in topic["data"]
    await named.person.ok("POST", f"{first_path}/redo")
    assert (await named.again(second))["label"] == named.name
    newer = "Dough diary"
    await change(named.person, named.session, {"op": "rename", "node_id": named.topic_id, "label": newer})
    assert (await named.again(second))["label"] == newer


@pytest.mark.parametrize("how", ["page", "site", "session"])
async def test_a_forgotten_name_leaves_no_trace_on_other_maps(named: NamedEvening, db: Db, how: str) -> None:
    ann, second = named.person, await named.next_evening()
    await ann.ok("POST", f"/v1/sessions/{second}/mindmap/generate", json={"force": True})
    await named.worker.run()
    assert (await ann.ok("GET", "/v1/search", params={"q": named.name}))["results"] != []
    assert named.name in str(await ann.ok("GET", "/v1/threads"))
    assert (await dump_of(db)).count(named.name) > 4
    if how == "session":
        receipt_id = (await ann.call("DELETE", f"/v1/sessions/{named.session}")).headers["X-Trailmind-Receipt"]
        assert named.name not in str(await named.again(second)), "a deleted session teaches no more"
        await ann.ok("POST", f"/v1/sessions/{named.session}/restore")
        assert (await named.again(second))["label"] == named.name
        receipt_id = (await ann.call("DELETE", f"/v1/sessions/{named.session}")).headers["X-Trailmind-Receipt"]
        await purge_session(named.worker.pool, uuid.UUID(named.session))
        receipt = (await ann.ok("GET", f"/v1/receipts/{receipt_id}"))["receipt"]
    else:
        body = {
            "page": {"page_id": page_id("https://chess.example/0/3"), "session_id": named.session},
            "site": {"domain": "chess.example", "session_id": named.session},
        }[how]
        receipt = (await ann.ok("POST", "/v1/forget", json=body))["receipt"]
    assert receipt["counts"]["map_versions_rewritten"] >= 2
    assert named.name not in await dump_of(db)
    topic = await bread_topic(ann, second)
    assert topic["data"]["label_by"] == "generated"
    session = (await ann.ok("GET", f"/v1/sessions/{second}"))["session"]
    assert topic["label"] in session["keywords"]
    assert (await ann.ok("GET", "/v1/search", params={"q": named.name}))["results"] == []
    assert named.name not in str(await ann.ok("GET", "/v1/threads")), "no cache has kept the name"
    assert named.name not in await dump_of(db)


async def test_a_name_that_is_forgotten_while_a_map_is_made_is_not_saved_with_it(named: NamedEvening, db: Db) -> None:
    second = await named.next_evening()
    pool: AsyncConnectionPool[Any] = named.worker.pool
    request = MapRequest(uuid.UUID(second), force=True)
    source = await load_map_input(pool, request.session_id, "")
    assert source is not None
    generated = await MapPipeline(InlineMapTasks(), named.worker.valkey).run(request, source, SilentProgress())
    assert named.name in str(generated.document)
    await named.person.ok("POST", "/v1/forget", json={"domain": "chess.example", "session_id": named.session})
    saved = await save_version(pool, request, source, generated)
    assert saved is not None
    assert saved.number == 2
    assert named.name not in await dump_of(db)
    assert (await get(named.person, second))["version"] == 2


async def test_links_between_topics_say_what_is_the_same_subject(named: NamedEvening, db: Db) -> None:
    ann, second = named.person, await named.next_evening()
    chess = next(t for t in topics(await get(ann, second)) if t["label"] != named.name)
    named_topic = {"session_id": named.session, "topic_id": named.topic_id}
    pair = {"topic": named_topic, "other": {"session_id": second, "topic_id": chess["id"]}}
    await ann.ok("POST", "/v1/threads/link", json=pair)
    ids = (uuid.UUID(ann.id), uuid.UUID(second))
    [label] = (await load_user_labels(db, *ids, encoder_model())).labels
    assert label.linked_topic_ids == (chess["id"],)
    assert (len(label.page_ids), len(label.vectors), label.languages) == (3, 3, ("en",))
    await named.again(second)
    linked = next(t for t in topics(await get(ann, second)) if t["id"] == chess["id"])
    assert linked["label"] == named.name, "what the user links is one subject, whatever it looks like"
    await ann.ok("POST", "/v1/threads/unlink", json=named_topic)
    assert (await load_user_labels(db, *ids, encoder_model())).labels == ()
    assert (await load_user_labels(db, ids[0], uuid.UUID(named.session), encoder_model())).labels == ()


async def test_a_run_gives_maps_the_names_of_its_time_and_a_rollback_none_that_is_forgotten(
    named: NamedEvening, settings: Settings, db: Db
) -> None:
    ann, second = named.person, await named.next_evening()
    await ann.ok("POST", f"/v1/sessions/{named.session}/mindmap/undo")
    await named.again(second)
    run_ids = []
    for name in (f"{named.name} one", f"{named.name} two"):
        await change(ann, named.session, {"op": "rename", "node_id": named.topic_id, "label": name})
        shown = (await bread_topic(ann, second))["label"]
        state = await start(RunPlanner(settings, named.worker.pool), settings, run_of(second, options={}))
        assert (state.run.status, state.progress.done) == ("finished", 1)
        assert (await bread_topic(ann, second))["label"] == shown, "nothing is shown before the promotion"
        async with run_driver(settings) as (_, promoter):
            assert await promoter.promote(state.run.id, "all") == {"promoted": 1}
        assert (await bread_topic(ann, second))["label"] == name
        run_ids.append(state.run.id)
    await ann.ok("POST", "/v1/forget", json={"domain": "chess.example", "session_id": named.session})
    assert named.name not in await dump_of(db)
    async with run_driver(settings) as (_, promoter):
        assert await promoter.roll_back(run_ids[1]) == {"rolled_back": 1}
    assert named.name not in await dump_of(db)
    assert (await bread_topic(ann, second))["data"]["label_by"] == "generated"
    session = (await ann.ok("GET", f"/v1/sessions/{second}"))["session"]
    assert (await bread_topic(ann, second))["label"] in session["keywords"]
