"""Saves a generated map as a new version, with everything that follows from it, in one transaction."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from psycopg_pool import AsyncConnectionPool

from cluster.maps.edits import EditedDocument, replay_saved_edits, topic_keywords
from cluster.maps.loader import MapInput, MapRequest
from cluster.maps.pipeline import GeneratedMap
from models.database import Connection
from models.errors import NotFound
from models.lifecycle.state import complete_map
from models.mindmap.version_store import (
    describe_session,
    insert_version,
    is_version_of_input,
    lock_map,
    lock_session,
    set_current_version,
)


@dataclass(frozen=True, slots=True)
class SavedVersion:
    """The number of the version shown; `edited` is None when the input had not changed."""

    number: int | None
    edited: EditedDocument | None


async def save_version(
    pool: AsyncConnectionPool[Any], request: MapRequest, source: MapInput, generated: GeneratedMap | None
) -> SavedVersion | None:
    """Save a version with the user's edits replayed, and complete the map and its session.

    Without `generated`, the current version is confirmed. Two workers may save the same request: the row locks order
    them, and the second finds the version of the first. Returns None when the session is deleted. Raises NotFound when
    it has no map.
    """
    async with pool.connection() as connection, connection.transaction():
        # The session before its map: one order of locks in all transactions prevents deadlocks.
        if not await lock_session(connection, request.session_id):
            return None
        edited = None
        if generated is not None:
            edited = await replay_saved_edits(connection, request.session_id, generated.document)
        number = await _write_version(connection, request, source, generated, edited)
        if edited is not None:
            document = edited.document
            await describe_session(
                connection,
                request.session_id,
                title=document.title,
                summary=document.summary,
                keywords=topic_keywords(document),
            )
        await complete_map(connection, request.session_id)
    return SavedVersion(number, edited)


async def _write_version(
    connection: Connection,
    request: MapRequest,
    source: MapInput,
    generated: GeneratedMap | None,
    edited: EditedDocument | None,
) -> int | None:
    locked = await lock_map(connection, request.session_id)
    if locked is None:
        raise NotFound("mindmap not found for this session")
    mindmap_id, number = locked
    if generated is not None and edited is not None:
        number = await _number_of_generated(connection, request, source, generated, edited, mindmap_id, number)
    await set_current_version(connection, mindmap_id, number)
    return number


async def _number_of_generated(
    connection: Connection,
    request: MapRequest,
    source: MapInput,
    generated: GeneratedMap,
    edited: EditedDocument,
    mindmap_id: uuid.UUID,
    current: int | None,
) -> int | None:
    is_saved = await is_version_of_input(connection, mindmap_id, current, generated.input_digest)
    # A forced version is new even for equal input, unless an interrupted attempt of this request has saved it: then
    # there was no version when this attempt loaded its input.
    if is_saved and (not request.force or source.previous_digest is None):
        return current
    return await insert_version(
        connection,
        request.session_id,
        mindmap_id,
        edited.content,
        input_digest=generated.input_digest,
        provider=edited.document.provider,
        model=generated.model,
        began_at=source.began_at,
    )
