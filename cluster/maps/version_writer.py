"""Saves a generated map as a new version, with everything that follows from it, in one transaction."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg_pool import AsyncConnectionPool

from cluster.maps.edits import EditedDocument, replay_saved_edits
from cluster.maps.loader import PIPELINE_VERSION, MapInput, MapRequest
from cluster.maps.pipeline import GeneratedMap
from cluster.providers.types import LOCAL_PROVIDER
from models.accounts.label_lock import lock_labels
from models.database import Connection
from models.errors import IllegalTransition, NotFound, WeakerMap, coded_reason
from models.jobs import enqueue_session_report
from models.lifecycle.forget import delete_model_texts
from models.lifecycle.state import complete_map, keep_map
from models.mindmap.reused_labels import without_reused_labels
from models.mindmap.user_labels import sources_that_are_gone
from models.mindmap.version_store import (
    describe_session,
    find_generated_version,
    insert_version,
    is_version_of_input,
    lock_map,
    lock_session,
    offer_version,
    set_current_version,
    version_provider,
)
from models.recording.page_vectors import save_vectors

#: The mail about the first map of a session is not sent any more after this time.
REPORT_TTL = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class SavedVersion:
    """The number of the version shown; `edited` is None when the input had not changed.

    `offered` is the number of the generated version when the one shown stays because it is better, and `reason` says
    why.
    """

    number: int | None
    edited: EditedDocument | None
    offered: int | None = None
    reason: str | None = None


async def save_version(
    pool: AsyncConnectionPool[Any], request: MapRequest, source: MapInput, generated: GeneratedMap | None
) -> SavedVersion | None:
    """Save a version with the user's edits replayed, and complete the map and its session.

    Without `generated`, the current version is confirmed. A map made without a model does not replace a model's: it is
    saved as a version that the user can choose. Two workers may save the same request: the row locks order
    them, and the second finds the version of the first. Returns None when the session is deleted, or a part of it was
    forgotten since the input was read. Raises NotFound when it has no map.
    """
    async with pool.connection() as connection, connection.transaction():
        await lock_reused_labels(connection, source, generated)
        # The session before its map: one order of locks in all transactions prevents deadlocks.
        if not await lock_session(connection, request.session_id):
            return None
        locked = await lock_map(connection, request.session_id)
        if source.mindmap_id is not None and locked is not None and locked[0] != source.mindmap_id:
            # A part of the session was forgotten since its pages were read. Another job generates the map without it;
            # what this one has stored of it must go.
            await delete_model_texts(connection, request.session_id)
            return None
        edited = None
        if generated is not None:
            await save_vectors(connection, request.session_id, generated.vectors)
            edited = await replay_edits_on(connection, request.session_id, source, generated)
            if generated.fallback is not None and edited is not None:
                offered = await _offer_weaker(connection, request, source, generated, edited)
                if offered is not None:
                    return offered
        number = await _write_version(connection, request, source, generated, edited)
        if edited is not None:
            document = edited.document
            await describe_session(
                connection,
                request.session_id,
                title=document.title,
                summary=document.summary,
                keywords=document.topic_keywords(),
            )
        await complete_map(connection, request.session_id)
        if number is not None and source.previous_digest is None:
            deadline = int((datetime.now(UTC) + REPORT_TTL).timestamp())
            await enqueue_session_report(connection, str(request.session_id), str(source.user_id), deadline)
    return SavedVersion(number, edited)


async def lock_reused_labels(connection: Connection, source: MapInput, generated: GeneratedMap | None) -> None:
    """Keep the labels that the map has reused from being forgotten until it is saved. Before any row is locked."""
    if generated is not None and generated.document.generated_names is not None:
        await lock_labels(connection, source.user_id, is_shared=True)


async def replay_edits_on(
    connection: Connection, session_id: uuid.UUID, source: MapInput, generated: GeneratedMap
) -> EditedDocument:
    """The generated document with the user's edits, and without labels whose source was forgotten meanwhile.

    The caller holds `lock_reused_labels`.
    """
    document, names = generated.document, generated.document.generated_names
    if names is not None:
        gone = await sources_that_are_gone(connection, source.user_id, source.labels.labels, names.session_ids)
        document = without_reused_labels(document, gone)
    return await replay_saved_edits(connection, session_id, document)


async def _offer_weaker(
    connection: Connection, request: MapRequest, source: MapInput, generated: GeneratedMap, edited: EditedDocument
) -> SavedVersion | None:
    """Keep a model's version shown and offer the local one; None when no model made the version shown."""
    assert generated.fallback is not None
    locked = await lock_map(connection, request.session_id)
    if locked is None:
        raise NotFound("mindmap not found for this session")
    mindmap_id, current = locked
    if await version_provider(connection, mindmap_id, current) in (None, LOCAL_PROVIDER):
        return None
    # The local pipeline gives equal maps for equal input, so an outage of days adds one version.
    number = await find_generated_version(connection, mindmap_id, generated.input_digest)
    if number is None:
        number = await insert_generated_version(connection, request.session_id, mindmap_id, source, generated, edited)
    reason = coded_reason(WeakerMap(generated.fallback.sentence))
    try:
        await keep_map(connection, request.session_id, reason)
        await offer_version(connection, mindmap_id, number)
    except IllegalTransition:
        # Another worker has finished this map meanwhile.
        return SavedVersion(current, edited)
    return SavedVersion(current, edited, number, reason)


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
    return await insert_generated_version(connection, request.session_id, mindmap_id, source, generated, edited)


async def insert_generated_version(
    connection: Connection,
    session_id: uuid.UUID,
    mindmap_id: uuid.UUID,
    source: MapInput,
    generated: GeneratedMap,
    edited: EditedDocument,
    *,
    is_candidate: bool = False,
) -> int:
    """Add what was generated from `source`, with the user's edits, as a version; return its number.

    The caller holds the lock of the map's row.
    """
    return await insert_version(
        connection,
        session_id,
        mindmap_id,
        edited.content,
        input_digest=generated.input_digest,
        provider=edited.document.provider,
        model=generated.model,
        began_at=source.began_at,
        pipeline_version=PIPELINE_VERSION,
        is_candidate=is_candidate,
    )
