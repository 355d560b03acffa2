"""A recorded, stopped and mapped session without a cluster; the local provider generates the map."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import psycopg

from cluster.mindmap.build import build_map
from models.lifecycle.state import complete_map
from models.recording.pages import CapturedPage
from models.urls import page_id
from tests.support.client import ApiUser, visit

BREAD = "Sourdough starter needs flour, water and patience; the crust browns in a hot oven. "
CHESS = "The Sicilian defence fights for the centre; the endgame rewards active rooks and pawns. "
KOREAN = "강화학습은 보상을 최대화하는 정책을 찾는 기계학습 방법이다. 정책 경사와 가치 함수를 함께 배운다. "

HIGHLIGHTED_TEXT = "the crust browns in a hot oven"
PAGES: list[tuple[str, str, str]] = [
    ("https://bread.example/starter", "Sourdough starter", BREAD * 4),
    ("https://bread.example/crust", "A better crust", BREAD * 3 + "Steam in the first minutes. "),
    ("https://www.chess.example/sicilian", "The Sicilian defence", CHESS * 4),
    ("https://www.chess.example/endgames", "Rook endgames", CHESS * 3 + "Philidor knew. "),
    ("https://ml.example.kr/rl", "강화학습 입문", KOREAN * 4),
]
_T0 = 1_760_000_000_000


def recorded_events() -> list[dict[str, Any]]:
    """Five pages of one minute each, and one highlight."""
    events: list[dict[str, Any]] = []
    for i, (url, title, text) in enumerate(PAGES):
        at = _T0 + i * 60_000
        events.append(visit(url, at, title=title, content=text, seq=2 * i + 1))
        events.append(
            {"type": "page_leave", "url": url, "timestamp": at + 50_000, "duration_ms": 50_000, "seq": 2 * i + 2}
        )
    events.append(
        {
            "type": "highlight",
            "url": PAGES[0][0],
            "timestamp": _T0 + 20_000,
            "text": HIGHLIGHTED_TEXT,
            "seq": 2 * len(PAGES) + 1,
        }
    )
    return events


async def completed_session(person: ApiUser, db: psycopg.AsyncConnection[Any], **started: Any) -> str:
    """Record, stop and map a session; returns its id."""
    session_id = await person.start(**started)
    await person.send(session_id, recorded_events())
    await person.ok("POST", f"/v1/sessions/{session_id}/stop")
    await save_map(db, session_id)
    return session_id


async def save_map(db: psycopg.AsyncConnection[Any], session_id: str) -> None:
    """Save the map of `PAGES` as the generation does."""
    document = build_map(
        [
            CapturedPage(
                page_id=page_id(url),
                url=url,
                title=title,
                text=text,
                dwell_ms=50_000,
                visit_order=(i,),
                highlights=(HIGHLIGHTED_TEXT,) if i == 0 else (),
            )
            for i, (url, title, text) in enumerate(PAGES)
        ]
    )
    data = document.to_json()
    cursor = await db.execute(
        "UPDATE mindmaps SET current_version = 1 WHERE session_id = %s RETURNING id", [session_id]
    )
    row = await cursor.fetchone()
    assert row is not None
    await db.execute(
        "INSERT INTO mindmap_versions (id, mindmap_id, number, data, input_digest, provider)"
        " VALUES (%s, %s, 1, %s, %s, 'local')",
        [uuid.uuid4(), row[0], json.dumps(data), hashlib.sha256(session_id.encode()).hexdigest()],
    )
    await complete_map(db, uuid.UUID(session_id))
