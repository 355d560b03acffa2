"""Vectors of pages are stored with the session's first map, and later maps use them instead of the model."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from cluster.mindmap.text import meaning
from cluster.mindmap.text.meaning import DIMENSIONS, encoder_model
from models.mindmap.document import MAX_LABEL_CHARS
from tests.acceptance.test_map_collections import session_about
from tests.support.client import ApiUser
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]


async def stored_vectors(db: Db, session: str) -> dict[str, tuple[str, bytes]]:
    """By page id: model and vector."""
    cursor = await db.execute(
        "SELECT page_id, model, vector FROM page_vectors WHERE session_id = %(id)s", {"id": uuid.UUID(session)}
    )
    return {page_id: (model, bytes(vector)) for page_id, model, vector in await cursor.fetchall()}


async def made_again(person: ApiUser, worker: InProcessWorker, session: str) -> Any:
    """Nodes and edges of the session's map after a forced generation."""
    await person.ok("POST", f"/v1/sessions/{session}/mindmap/generate", json={"force": True})
    await worker.run()
    return await shown(person, session)


async def shown(person: ApiUser, session: str) -> Any:
    """Nodes and edges of the session's map: the scorecard says how much stayed from the previous version, too."""
    data = (await person.ok("GET", f"/v1/sessions/{session}/mindmap"))["mindmap"]["data"]
    return data["nodes"], data["edges"]


def forbid_model(patch: pytest.MonkeyPatch) -> None:
    """Let the model encode labels, which are short, but no text of a page."""
    encode = meaning.UniversalSentenceEncoder.encode

    def checked(self: meaning.UniversalSentenceEncoder, text: str) -> bytes:
        assert len(text) <= MAX_LABEL_CHARS, "a page was encoded again"
        return encode(self, text)

    patch.setattr(meaning.UniversalSentenceEncoder, "encode", checked)


async def test_later_maps_and_joint_maps_do_not_encode_the_pages_again(
    ann: ApiUser, worker: InProcessWorker, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await session_about(ann, worker, "bread", "chess")
    two = await session_about(ann, worker, "tides", part=2)
    first = await shown(ann, one)
    vectors = await stored_vectors(db, one)
    assert len(vectors) == 8
    assert {(model, len(vector)) for model, vector in vectors.values()} == {(encoder_model(), DIMENSIONS)}
    with monkeypatch.context() as patch:
        forbid_model(patch)
        assert await made_again(ann, worker, one) == first
        ordered = (await ann.ok("POST", "/v1/maps", json={"session_ids": [one, two], "title": "Both"}))["map"]
        await worker.run()
        joint = (await ann.ok("GET", f"/v1/maps/{ordered['id']}"))["map"]
    assert joint["status"] == "completed"
    await db.execute("DELETE FROM page_vectors")
    await ann.ok("POST", f"/v1/maps/{ordered['id']}/generate")
    await worker.run()
    assert (await ann.ok("GET", f"/v1/maps/{ordered['id']}"))["map"]["data"]["nodes"] == joint["data"]["nodes"]


async def test_vectors_of_another_model_or_text_are_computed_again(
    ann: ApiUser, worker: InProcessWorker, db: Db
) -> None:
    session = await session_about(ann, worker, "bread", "chess")
    first = await shown(ann, session)
    vectors = await stored_vectors(db, session)
    wrong = {"vector": bytes(DIMENSIONS), "id": uuid.UUID(session)}
    await db.execute("UPDATE page_vectors SET model = 'older/1', vector = %(vector)s WHERE session_id = %(id)s", wrong)
    assert await made_again(ann, worker, session) == first
    assert await stored_vectors(db, session) == vectors
    await db.execute("UPDATE page_vectors SET text_key = 'older', vector = %(vector)s WHERE session_id = %(id)s", wrong)
    assert await made_again(ann, worker, session) == first
    assert await stored_vectors(db, session) == vectors


async def test_forgotten_pages_have_no_vector(ann: ApiUser, worker: InProcessWorker, db: Db) -> None:
    session = await session_about(ann, worker, "bread", "chess")
    reply = await ann.ok("POST", "/v1/forget", json={"domain": "bread0.example"})
    assert reply["receipt"]["counts"]["page_vectors"] == 8
    assert await stored_vectors(db, session) == {}
    await worker.run()
    assert len(await stored_vectors(db, session)) == 7
