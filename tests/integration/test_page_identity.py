"""Stored maps, edits and visits keep their pages when the rules for addresses change."""

from __future__ import annotations

import importlib
import uuid
from typing import Any

import psycopg
import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from psycopg.types.json import Jsonb
from sqlalchemy import create_engine

from cluster.mindmap.build import build_map
from cluster.mindmap.document.edit_layout import apply_edits
from models.migrations.run import migrate
from models.mindmap.document import MindmapDocument
from models.mindmap.operations import EDIT_LOG_ADAPTER, operations_in_effect
from models.recording.pages import CapturedPage
from models.recording.timeline import SessionSpan, TimelineEvent, build_timeline
from models.recording.timeline_store import refresh_timeline
from models.urls import former_page_id, page_id

TALK = "https://www.youtube.com/watch?v=kJQP7kiw5Fk&t=754s"
WIKI = "https://ko.wiki.example/wiki/%ec%84%b8"
PLAIN = "https://reef.example/a"
ROUTES = ("https://docs.example/#/install", "https://docs.example/#/upgrade")
SHOP = ("https://shop.example/mug?srsltid=a", "https://shop.example/mug")


@pytest.fixture
def dsn(fresh_database: str) -> str:
    migrate("postgresql+psycopg://" + fresh_database.partition("://")[2])
    return fresh_database


def _former_document(urls: tuple[str, ...]) -> MindmapDocument:
    """A map as it was made when addresses had their former ids."""
    pages = {
        former_page_id(url): CapturedPage(former_page_id(url), url, f"Page {i}", f"Bread and flour number {i}. " * 9)
        for i, url in enumerate(urls)
    }
    return build_map(list(pages.values()))


def _store(dsn: str, urls: tuple[str, ...]) -> uuid.UUID:
    user, session, mindmap = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    document = _former_document(urls).to_json()
    edit = {"op": "rename", "op_id": "1", "node_id": former_page_id(TALK), "label": "My talk"}
    with psycopg.connect(dsn) as db:
        db.execute("INSERT INTO users (id, email) VALUES (%s, %s)", [user, f"{user}@t.local"])
        db.execute("INSERT INTO browsing_sessions (id, user_id, status) VALUES (%s, %s, 'completed')", [session, user])
        db.execute(
            "INSERT INTO mindmaps (id, session_id, status, current_version) VALUES (%s, %s, 'completed', 1)",
            [mindmap, session],
        )
        db.execute(
            "INSERT INTO mindmap_versions (id, mindmap_id, number, data, edits_seq, input_digest, provider, scorecard)"
            " VALUES (%s, %s, 1, %s, 1, 'd', 'local', '{}')",
            [uuid.uuid4(), mindmap, Jsonb(document)],
        )
        db.execute(
            "INSERT INTO mindmap_edits (mindmap_id, seq, op_id, entry) VALUES (%s, 1, '1', %s)", [mindmap, Jsonb(edit)]
        )
        for i, url in enumerate(urls):
            db.execute(
                "INSERT INTO visits (id, session_id, ordinal, page_id, url, started_at, dwell_ms, max_scroll_depth)"
                " VALUES (gen_random_uuid(), %s, %s, %s, %s, now(), 0, 0)",
                [session, i, former_page_id(url), url],
            )
    return session


def _upgrade(dsn: str) -> None:
    migration = importlib.import_module("models.migrations.versions.0018_page_identity")
    engine = create_engine("postgresql+psycopg://" + dsn.partition("://")[2])
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.upgrade()
    engine.dispose()


def _stored(dsn: str, session: uuid.UUID) -> tuple[MindmapDocument, list[str], dict[str, Any]]:
    with psycopg.connect(dsn) as db:
        data, entry = db.execute(
            "SELECT v.data, e.entry FROM mindmaps m JOIN mindmap_versions v ON v.mindmap_id = m.id"
            " JOIN mindmap_edits e ON e.mindmap_id = m.id WHERE m.session_id = %s",
            [session],
        ).fetchone()  # type: ignore[misc]
        visits = db.execute("SELECT page_id FROM visits WHERE session_id = %s ORDER BY ordinal", [session]).fetchall()
    return MindmapDocument.from_json(data), [page for (page,) in visits], entry


def test_pages_are_renamed_where_their_visits_tell_them(dsn: str) -> None:
    session = _store(dsn, (TALK, WIKI, PLAIN, *ROUTES, *SHOP))
    _upgrade(dsn)
    document, visits, edit = _stored(dsn, session)
    assert visits[:3] == [page_id(url) for url in (TALK, WIKI, PLAIN)]
    assert visits[3:5] == [page_id(ROUTES[0])] * 2, "one page of the map cannot become two; the next map has both"
    assert visits[5:] == [former_page_id(url) for url in SHOP], "two pages of the map do not become one"
    on_map = {node.id for node in document.nodes if node.type == "page"}
    assert on_map == set(visits)
    assert edit["node_id"] == page_id(TALK)
    assert {quote.page_id for node in document.nodes for quote in node.data.evidence} <= on_map
    edited, [report] = apply_edits(document, operations_in_effect(EDIT_LOG_ADAPTER.validate_python([edit])))
    assert report.status == "applied"
    assert edited.node(page_id(TALK)).label == "My talk"  # type: ignore[union-attr]
    _upgrade(dsn)
    assert _stored(dsn, session)[0] == document, "a second run changes nothing"


async def test_a_new_map_refreshes_the_visits_of_an_old_session(dsn: str) -> None:
    session = _store(dsn, ROUTES)
    events = [
        TimelineEvent(str(uuid.uuid4()), "page_visit", 1_770_000_000_000 + i, 1_770_000_000_000 + i, {"url": url}, i)
        for i, url in enumerate(ROUTES)
    ]
    timeline = build_timeline(events, SessionSpan(1_770_000_000_000, 1_770_000_100_000))
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as db:
        for expected in (True, False):
            async with db.transaction():
                assert await refresh_timeline(db, session, timeline) is expected
    assert _stored(dsn, session)[1] == [page_id(url) for url in ROUTES]
