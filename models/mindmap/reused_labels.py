"""Removes from a user's maps the labels that they reused from a session that is deleted or forgotten in part.

The label and whatever was made from it goes: the title and summary of the map, its entry in the search index, the
user's threads. Functions use the caller's transaction and do not commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from psycopg.types.json import Jsonb

from models.database import Connection
from models.mindmap.document import CORE_ID, MAX_LABEL_CHARS, MindmapDocument, Node
from models.mindmap.version_store import MAX_TITLE_CHARS
from models.text import shorten

# Without a label in its log, nothing was reused from a session: then no document is read.
FIND_LABELLED_SESSIONS: Final = """
    SELECT DISTINCT m.session_id::text FROM mindmaps m JOIN mindmap_edits e ON e.mindmap_id = m.id
    WHERE m.session_id = ANY(%(session_ids)s::uuid[]) AND e.entry ->> 'label' IS NOT NULL
"""
FIND_REUSING_SESSIONS: Final = """
    SELECT DISTINCT s.id FROM browsing_sessions s JOIN mindmaps m ON m.session_id = s.id
    JOIN mindmap_versions v ON v.mindmap_id = m.id
    WHERE s.user_id = %(user_id)s AND s.id <> ALL(%(session_ids)s::uuid[]) AND jsonb_path_exists(
        coalesce(v.generated, v.data), '$.generated_names.session_ids[*] ? (@ == $ids[*])',
        jsonb_build_object('ids', %(texts)s::text[]))
"""
LOCK_REUSING_SESSIONS: Final = """
    SELECT id FROM browsing_sessions WHERE id = ANY(%(session_ids)s::uuid[]) ORDER BY id FOR UPDATE
"""
READ_VERSIONS_OF_SESSION: Final = """
    SELECT v.mindmap_id, v.number, v.number = m.current_version, v.data, v.generated
    FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id
    WHERE m.session_id = %(session_id)s ORDER BY v.number FOR UPDATE
"""
REPLACE_DOCUMENTS: Final = """
    UPDATE mindmap_versions SET data = %(data)s, generated = %(generated)s
    WHERE mindmap_id = %(mindmap_id)s AND number = %(number)s
"""
# The maps in caches are older than this.
TOUCH_MAP_OF_SESSION: Final = "UPDATE mindmaps SET updated_at = clock_timestamp() WHERE session_id = %(session_id)s"
REPLACE_DESCRIPTION: Final = """
    UPDATE browsing_sessions SET keywords = %(keywords)s, summary = nullif(%(summary)s, ''),
        title = CASE WHEN title_source = 'user' THEN title ELSE nullif(%(title)s, '') END
    WHERE id = %(session_id)s
"""
READ_REPLACED_DESCRIPTIONS: Final = """
    SELECT run_id, before_promotion FROM map_run_items
    WHERE session_id = %(session_id)s AND before_promotion IS NOT NULL FOR UPDATE
"""
REPLACE_REPLACED_DESCRIPTION: Final = """
    UPDATE map_run_items SET before_promotion = %(description)s
    WHERE session_id = %(session_id)s AND run_id = %(run_id)s
"""
DELETE_SEARCH_PAGES_OF_MAP: Final = "DELETE FROM search_pages WHERE session_id = %(session_id)s"
DELETE_SEARCH_STATE_OF_MAP: Final = "DELETE FROM search_state WHERE session_id = %(session_id)s"
DELETE_THREAD_FINDINGS: Final = "DELETE FROM thread_findings WHERE user_id = %(user_id)s"


def without_reused_labels(document: MindmapDocument, session_ids: Collection[str]) -> MindmapDocument:
    """`document` without what it reused from these sessions; the same object when it reused nothing from them."""
    names = document.generated_names
    if names is None or not set(names.session_ids) & set(session_ids):
        return document
    core = document.node(CORE_ID)
    has_own_title = core is not None and core.data.label_by == "user"
    title = document.title if has_own_title else names.title

    def restored(node: Node) -> Node:
        source = node.data.reused_from
        if source is not None and source.session_id in session_ids:
            data = node.data.model_copy(update={"label_by": "generated", "reused_from": None})
            return node.model_copy(update={"label": source.generated_label, "data": data})
        if node.id == CORE_ID:
            data = node.data.model_copy(update={"description": names.summary or None})
            label = node.label if has_own_title or not title else shorten(title, MAX_LABEL_CHARS)
            return node.model_copy(update={"label": label, "data": data})
        return node

    nodes = tuple(restored(node) for node in document.nodes)
    left = tuple(dict.fromkeys(node.data.reused_from.session_id for node in nodes if node.data.reused_from is not None))
    update = {
        "nodes": nodes,
        "title": title,
        "summary": names.summary,
        "generated_names": names.model_copy(update={"session_ids": left}) if left else None,
    }
    return document.model_copy(update=update)


async def labelled_sessions(connection: Connection, session_ids: Sequence[uuid.UUID]) -> list[str]:
    """Those of these sessions in which the user gave a label: only from them can a map have reused one.

    The logs of their maps must still exist.
    """
    cursor = await connection.execute(FIND_LABELLED_SESSIONS, {"session_ids": list(session_ids)})
    return sorted(row[0] for row in await cursor.fetchall())


async def forget_reused_labels(connection: Connection, user_id: uuid.UUID, session_ids: Sequence[str]) -> int:
    """Remove what the user's other maps have reused from these sessions; return the number of versions rewritten.

    The caller holds `models.accounts.label_lock.lock_labels`.
    """
    if not session_ids:
        return 0
    await connection.execute(DELETE_THREAD_FINDINGS, {"user_id": user_id})
    values = {"user_id": user_id, "session_ids": list(session_ids), "texts": list(session_ids)}
    found = [row[0] for row in await (await connection.execute(FIND_REUSING_SESSIONS, values)).fetchall()]
    await connection.execute(LOCK_REUSING_SESSIONS, {"session_ids": found})
    return sum([await _forget_in_session(connection, each, session_ids) for each in sorted(found)])


async def _forget_in_session(connection: Connection, session_id: uuid.UUID, forgotten: Sequence[str]) -> int:
    values = {"session_id": session_id}
    num_rewritten = 0
    replaced: dict[str, str] = {}
    cursor = await connection.execute(READ_VERSIONS_OF_SESSION, values)
    for mindmap_id, number, is_current, data, generated in await cursor.fetchall():
        documents = [MindmapDocument.from_json(each) if each is not None else None for each in (data, generated)]
        rests = [without_reused_labels(each, forgotten) if each is not None else None for each in documents]
        if rests == documents:
            continue
        for before, after in zip(documents, rests, strict=True):
            if before is not None and after is not None:
                replaced |= _replaced_texts(before, after)
        shown, source = rests
        assert shown is not None
        num_rewritten += 1
        row = {"mindmap_id": mindmap_id, "number": number, "data": Jsonb(shown.to_json())}
        row["generated"] = Jsonb(source.to_json()) if source is not None else None
        await connection.execute(REPLACE_DOCUMENTS, row)
        if is_current:
            description = {
                "keywords": shown.topic_keywords(),
                "summary": shown.summary,
                "title": shown.title[:MAX_TITLE_CHARS],
            }
            await connection.execute(REPLACE_DESCRIPTION, {**values, **description})
    await _forget_replaced_descriptions(connection, session_id, replaced)
    for statement in (TOUCH_MAP_OF_SESSION, DELETE_SEARCH_PAGES_OF_MAP, DELETE_SEARCH_STATE_OF_MAP):
        await connection.execute(statement, values)
    return num_rewritten


def _replaced_texts(before: MindmapDocument, after: MindmapDocument) -> dict[str, str]:
    """The texts of a map that a forgetting has replaced, and what replaced them."""
    pairs = [(before.title, after.title), (before.summary, after.summary)]
    pairs += [(old.label, new.label) for old, new in zip(before.nodes, after.nodes, strict=True)]
    return {old: new for old, new in pairs if old != new}


async def _forget_replaced_descriptions(
    connection: Connection, session_id: uuid.UUID, replaced: Mapping[str, str]
) -> None:
    """Replace texts in what a rollback of a regeneration run would restore."""
    # Titles are stored up to a length.
    replaced = {**{old[:MAX_TITLE_CHARS]: new[:MAX_TITLE_CHARS] for old, new in replaced.items()}, **replaced}
    rows = await (await connection.execute(READ_REPLACED_DESCRIPTIONS, {"session_id": session_id})).fetchall()
    for run_id, before in rows:
        values: dict[str, Any] = {"session_id": session_id, "run_id": run_id}
        values["description"] = Jsonb(_with_texts(before, replaced))
        await connection.execute(REPLACE_REPLACED_DESCRIPTION, values)


def _with_texts(value: Any, replaced: Mapping[str, str]) -> Any:
    """A JSON value with the strings that are keys of `replaced` replaced, at any depth."""
    if isinstance(value, str):
        return replaced.get(value, value)
    if isinstance(value, dict):
        return {name: _with_texts(each, replaced) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_texts(each, replaced) for each in value]
    return value
