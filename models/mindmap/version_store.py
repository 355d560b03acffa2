"""Reads and writes the versions of a session's map. Functions use the caller's transaction and do not commit.

Transactions that lock both rows lock the session before its map.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from models.database import Connection

# Sessions that still record have no map to generate.
READ_GENERATION_SOURCE: Final = """
    SELECT s.user_id, CASE WHEN s.title_source = 'user' THEN s.title END,
        CASE WHEN u.is_language_chosen THEN u.language END,
        v.input_digest, coalesce(v.generated, v.data), coalesce(m.current_version, 0), m.id
    FROM browsing_sessions s
    LEFT JOIN mindmaps m ON m.session_id = s.id
    LEFT JOIN user_settings u ON u.user_id = s.user_id
    LEFT JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
    WHERE s.id = %(session_id)s AND s.deleted_at IS NULL AND s.status NOT IN ('recording', 'paused')
"""

LOCK_SESSION_ROW: Final = """
    SELECT id FROM browsing_sessions WHERE id = %(session_id)s AND deleted_at IS NULL FOR UPDATE
"""

# The latest one: an edit of the title, for example, may lead back to an earlier input.
FIND_GENERATED_VERSION: Final = """
    SELECT max(number) FROM mindmap_versions
    WHERE mindmap_id = %(mindmap_id)s AND input_digest = %(input_digest)s AND restored_from IS NULL AND NOT is_candidate
"""

READ_VERSION_PROVIDER: Final = """
    SELECT provider FROM mindmap_versions WHERE mindmap_id = %(mindmap_id)s AND number = %(number)s
"""

SET_OFFERED_VERSION: Final = "UPDATE mindmaps SET offered_version = %(number)s WHERE id = %(mindmap_id)s"

LOCK_MAP: Final = "SELECT id, current_version FROM mindmaps WHERE session_id = %(session_id)s FOR UPDATE"

LOCK_SHOWN_VERSION: Final = """
    SELECT m.id, v.number, coalesce(v.generated, v.data), v.data FROM mindmaps m
    JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
    WHERE m.session_id = %(session_id)s FOR UPDATE OF m
"""

READ_VERSION_TO_RESTORE: Final = """
    SELECT coalesce(v.generated, v.data), current.restored_from
    FROM mindmap_versions v
    LEFT JOIN mindmap_versions current ON current.mindmap_id = v.mindmap_id AND current.number = %(current)s
    WHERE v.mindmap_id = %(mindmap_id)s AND v.number = %(number)s AND NOT v.is_candidate
"""

READ_IS_CURRENT_DIGEST: Final = """
    SELECT EXISTS (SELECT FROM mindmap_versions
        WHERE mindmap_id = %(mindmap_id)s AND number = %(number)s AND input_digest = %(input_digest)s)
"""

# The cost of a version is that of the provider calls its generation made.
INSERT_VERSION: Final = """
    INSERT INTO mindmap_versions (id, mindmap_id, number, data, generated, edits_seq, edit_reports, scorecard,
        input_digest, provider, model, pipeline_version, is_candidate, cost_micros)
    SELECT gen_random_uuid(), %(mindmap_id)s, coalesce(max(number), 0) + 1, %(data)s, %(generated)s, %(edits_seq)s,
        %(edit_reports)s, %(scorecard)s, %(input_digest)s, %(provider)s, %(model)s::text, %(pipeline_version)s::int,
        %(is_candidate)s::boolean,
        (SELECT coalesce(sum(cost_micros), 0) FROM ai_calls
         WHERE session_id = %(session_id)s AND started_at >= %(began_at)s)
    FROM mindmap_versions WHERE mindmap_id = %(mindmap_id)s RETURNING number
"""

INSERT_RESTORED_VERSION: Final = """
    INSERT INTO mindmap_versions (id, mindmap_id, number, data, input_digest, provider, model, pipeline_version,
        restored_from)
    SELECT gen_random_uuid(), mindmap_id,
        (SELECT max(number) + 1 FROM mindmap_versions WHERE mindmap_id = %(mindmap_id)s),
        data, input_digest, provider, model, pipeline_version, number
    FROM mindmap_versions WHERE mindmap_id = %(mindmap_id)s AND number = %(number)s RETURNING number
"""

SET_CURRENT_VERSION: Final = """
    UPDATE mindmaps SET current_version = %(number)s, offered_version = NULL, updated_at = now()
    WHERE id = %(mindmap_id)s
"""

UPDATE_VERSION_CONTENT: Final = """
    UPDATE mindmap_versions SET data = %(data)s, generated = %(generated)s, edits_seq = %(edits_seq)s,
        edit_reports = %(edit_reports)s, scorecard = %(scorecard)s
    WHERE mindmap_id = %(mindmap_id)s AND number = %(number)s
"""

TOUCH_MAP: Final = "UPDATE mindmaps SET updated_at = now() WHERE id = %(mindmap_id)s"

# A title that the user has given stays.
DESCRIBE_GENERATED_SESSION: Final = """
    UPDATE browsing_sessions SET
        title = CASE WHEN title_source = 'user' THEN title ELSE nullif(%(title)s, '') END,
        title_source = CASE WHEN title_source = 'user' THEN 'user' ELSE 'generated' END,
        summary = nullif(%(summary)s, ''), keywords = %(keywords)s
    WHERE id = %(session_id)s
"""

DESCRIBE_EDITED_SESSION: Final = """
    UPDATE browsing_sessions SET keywords = %(keywords)s, summary = nullif(%(summary)s, ''),
        title = CASE WHEN title_source = 'generated' THEN coalesce(nullif(%(title)s, ''), title) ELSE title END
    WHERE id = %(session_id)s
"""

# The search index contains the names of topics; without its state row the session is indexed again.
DELETE_SEARCH_STATE: Final = "DELETE FROM search_state WHERE session_id = %(session_id)s"

READ_SHOWN_VERSION: Final = """
    SELECT m.current_version, m.status = 'generating', v.data, v.scorecard, (
        SELECT count(*) FROM jsonb_array_elements(v.edit_reports) AS report WHERE report ->> 'status' = 'not_applied')
    FROM mindmaps m LEFT JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
    WHERE m.session_id = %(session_id)s
"""

LOCK_VERSION: Final = """
    SELECT coalesce(v.generated, v.data), v.data, v.edits_seq FROM mindmap_versions v
    WHERE v.mindmap_id = %(mindmap_id)s AND v.number = %(number)s FOR UPDATE
"""

FIND_CANDIDATE: Final = """
    SELECT max(number) FROM mindmap_versions
    WHERE mindmap_id = %(mindmap_id)s AND input_digest = %(input_digest)s AND is_candidate
"""

SET_CANDIDATE: Final = """
    UPDATE mindmap_versions SET is_candidate = %(is_candidate)s
    WHERE mindmap_id = %(mindmap_id)s AND number = %(number)s
"""

READ_SHOWN_STATE: Final = """
    SELECT m.offered_version, s.title, s.title_source, s.summary, s.keywords
    FROM mindmaps m JOIN browsing_sessions s ON s.id = m.session_id WHERE m.session_id = %(session_id)s
"""

# A title that the user has given meanwhile stays.
RESTORE_SESSION_DESCRIPTION: Final = """
    UPDATE browsing_sessions SET
        title = CASE WHEN title_source = 'user' THEN title ELSE %(title)s::text END,
        title_source = CASE WHEN title_source = 'user' THEN 'user' ELSE %(title_source)s::text END,
        summary = %(summary)s::text, keywords = %(keywords)s
    WHERE id = %(session_id)s
"""

MAX_TITLE_CHARS = 200


@dataclass(frozen=True, slots=True)
class GenerationSource:
    """What the database knows before a map is generated. `user_title` is None unless the user named the session.

    `document` is the current version without edits and `input_digest` the digest of its input; both are None, and
    `version` is 0, before the first version.
    """

    user_id: uuid.UUID
    user_title: str | None
    language: str | None
    input_digest: str | None
    document: dict[str, Any] | None
    version: int
    #: None before a map was requested. Another one, once a part of the session was forgotten.
    mindmap_id: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class LockedVersion:
    """The version shown of a map whose row is locked: the document as generated and as shown, as JSON."""

    mindmap_id: uuid.UUID
    number: int
    generated: dict[str, Any]
    shown: dict[str, Any]


@dataclass(frozen=True, slots=True)
class VersionContent:
    """The columns of a version that change when edits are replayed on it, as JSON values."""

    data: dict[str, Any]
    generated: dict[str, Any] | None
    edits_seq: int
    edit_reports: list[dict[str, Any]]
    scorecard: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """The values as statement parameters."""
        return {
            "data": Jsonb(self.data),
            "generated": Jsonb(self.generated) if self.generated is not None else None,
            "edits_seq": self.edits_seq,
            "edit_reports": Jsonb(self.edit_reports),
            "scorecard": Jsonb(self.scorecard),
        }


@dataclass(frozen=True, slots=True)
class ShownVersion:
    """The version shown of a map, as JSON values; `number` and `document` are None before the first.

    `is_generating` is true while the user waits for another version, `num_edits_lost` the number of edits that it
    cannot keep.
    """

    number: int | None
    is_generating: bool
    document: dict[str, Any] | None
    scorecard: dict[str, Any]
    num_edits_lost: int


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version whose row is locked: as generated, as shown, and how many log entries are replayed in it."""

    generated: dict[str, Any]
    shown: dict[str, Any]
    edits_seq: int


@dataclass(frozen=True, slots=True)
class ShownState:
    """What a new version replaces besides the version shown."""

    offered_version: int | None
    title: str | None
    title_source: str | None
    summary: str | None
    keywords: list[str]


async def load_shown_version(connection: Connection, session_id: uuid.UUID) -> ShownVersion | None:
    """The version shown; None when the session has no map."""
    row = await (await connection.execute(READ_SHOWN_VERSION, {"session_id": session_id})).fetchone()
    return ShownVersion(row[0], row[1], row[2], row[3] or {}, row[4]) if row is not None else None


async def lock_version(connection: Connection, mindmap_id: uuid.UUID, number: int) -> StoredVersion | None:
    """Lock a version's row; None when it does not exist. The caller holds the lock of the map's row."""
    cursor = await connection.execute(LOCK_VERSION, {"mindmap_id": mindmap_id, "number": number})
    row = await cursor.fetchone()
    return StoredVersion(*row) if row is not None else None


async def find_candidate(connection: Connection, mindmap_id: uuid.UUID | None, digest: str) -> int | None:
    """The number of the last version of this input that a run has made and that is not shown."""
    cursor = await connection.execute(FIND_CANDIDATE, {"mindmap_id": mindmap_id, "input_digest": digest})
    row = await cursor.fetchone()
    return row[0] if row is not None else None


async def set_candidate(connection: Connection, mindmap_id: uuid.UUID, number: int, is_candidate: bool) -> None:
    """Hide a version from its user, or let it be seen."""
    await connection.execute(SET_CANDIDATE, {"mindmap_id": mindmap_id, "number": number, "is_candidate": is_candidate})


async def update_version_content(
    connection: Connection, mindmap_id: uuid.UUID, number: int, content: VersionContent
) -> None:
    """Replace what a version shows after a replay of the edits."""
    await connection.execute(UPDATE_VERSION_CONTENT, {**content.parameters, "mindmap_id": mindmap_id, "number": number})


async def load_shown_state(connection: Connection, session_id: uuid.UUID) -> ShownState:
    """What a new version would replace. Raises LookupError when the session has no map."""
    row = await (await connection.execute(READ_SHOWN_STATE, {"session_id": session_id})).fetchone()
    if row is None:
        raise LookupError(f"session {session_id} has no map")
    return ShownState(*row)


async def restore_shown_state(
    connection: Connection, session_id: uuid.UUID, mindmap_id: uuid.UUID, number: int, state: ShownState
) -> None:
    """Show version `number` again with what belonged to it; the session is indexed again."""
    await set_current_version(connection, mindmap_id, number)
    if state.offered_version is not None:
        await offer_version(connection, mindmap_id, state.offered_version)
    await connection.execute(
        RESTORE_SESSION_DESCRIPTION,
        {
            "session_id": session_id,
            "title": state.title,
            "title_source": state.title_source,
            "summary": state.summary,
            "keywords": state.keywords,
        },
    )
    await connection.execute(DELETE_SEARCH_STATE, {"session_id": session_id})


async def reindex_session(connection: Connection, session_id: uuid.UUID) -> None:
    """Let the search index take the session again."""
    await connection.execute(DELETE_SEARCH_STATE, {"session_id": session_id})


async def load_generation_source(connection: Connection, session_id: uuid.UUID) -> GenerationSource | None:
    """What a map of the session is generated from, besides its pages; None when it is deleted or still records."""
    cursor = await connection.execute(READ_GENERATION_SOURCE, {"session_id": session_id})
    row = await cursor.fetchone()
    if row is None:
        return None
    user_id, title, language, input_digest, document, version, mindmap_id = row
    return GenerationSource(user_id, title or None, language, input_digest, document, version, mindmap_id)


async def lock_session(connection: Connection, session_id: uuid.UUID) -> bool:
    """Lock the session's row; whether it exists and is not deleted."""
    cursor = await connection.execute(LOCK_SESSION_ROW, {"session_id": session_id})
    return await cursor.fetchone() is not None


async def lock_map(connection: Connection, session_id: uuid.UUID) -> tuple[uuid.UUID, int | None] | None:
    """Lock the map's row; its id and the number of its current version, or None when the session has no map."""
    cursor = await connection.execute(LOCK_MAP, {"session_id": session_id})
    row = await cursor.fetchone()
    return (row[0], row[1]) if row is not None else None


async def lock_shown_version(connection: Connection, session_id: uuid.UUID) -> LockedVersion | None:
    """Lock the session and its map; the version shown, or None when the session has no version."""
    await lock_session(connection, session_id)
    cursor = await connection.execute(LOCK_SHOWN_VERSION, {"session_id": session_id})
    row = await cursor.fetchone()
    return LockedVersion(*row) if row is not None else None


async def is_version_of_input(connection: Connection, mindmap_id: uuid.UUID, number: int | None, digest: str) -> bool:
    """Whether version `number` was generated from the input with this digest."""
    cursor = await connection.execute(
        READ_IS_CURRENT_DIGEST, {"mindmap_id": mindmap_id, "number": number, "input_digest": digest}
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def find_generated_version(connection: Connection, mindmap_id: uuid.UUID, digest: str) -> int | None:
    """The number of the last version that was generated from the input with this digest."""
    cursor = await connection.execute(FIND_GENERATED_VERSION, {"mindmap_id": mindmap_id, "input_digest": digest})
    row = await cursor.fetchone()
    return row[0] if row is not None else None


async def version_provider(connection: Connection, mindmap_id: uuid.UUID, number: int | None) -> str | None:
    """The provider of version `number`; None when there is no such version."""
    cursor = await connection.execute(READ_VERSION_PROVIDER, {"mindmap_id": mindmap_id, "number": number})
    row = await cursor.fetchone()
    return row[0] if row is not None else None


async def offer_version(connection: Connection, mindmap_id: uuid.UUID, number: int) -> None:
    """Offer version `number` instead of the one shown; a later change of the version shown ends the offer."""
    await connection.execute(SET_OFFERED_VERSION, {"mindmap_id": mindmap_id, "number": number})


async def insert_version(
    connection: Connection,
    session_id: uuid.UUID,
    mindmap_id: uuid.UUID,
    content: VersionContent,
    *,
    input_digest: str,
    provider: str,
    model: str | None,
    began_at: datetime,
    pipeline_version: int,
    is_candidate: bool = False,
) -> int:
    """Add a version; return its number. `began_at` is when its generation began: later provider calls are its cost.

    Its user does not see a candidate before `set_candidate` makes it an ordinary version.

    The caller holds the lock of the map's row.
    """
    cursor = await connection.execute(
        INSERT_VERSION,
        {
            **content.parameters,
            "session_id": session_id,
            "mindmap_id": mindmap_id,
            "input_digest": input_digest,
            "provider": provider,
            "model": model,
            "began_at": began_at,
            "pipeline_version": pipeline_version,
            "is_candidate": is_candidate,
        },
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def load_version_to_restore(
    connection: Connection, mindmap_id: uuid.UUID, number: int, current: int
) -> tuple[dict[str, Any], int | None] | None:
    """Version `number` as generated, and the version that version `current` restored, if any; None without it."""
    cursor = await connection.execute(
        READ_VERSION_TO_RESTORE, {"mindmap_id": mindmap_id, "number": number, "current": current}
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row is not None else None


async def insert_restored_version(connection: Connection, mindmap_id: uuid.UUID, number: int) -> int:
    """Copy version `number` to a new version and make that current; return the new number.

    The caller holds the lock of the map's row.
    """
    cursor = await connection.execute(INSERT_RESTORED_VERSION, {"mindmap_id": mindmap_id, "number": number})
    row = await cursor.fetchone()
    assert row is not None
    await set_current_version(connection, mindmap_id, row[0])
    return int(row[0])


async def set_current_version(connection: Connection, mindmap_id: uuid.UUID, number: int | None) -> None:
    """Show version `number`."""
    await connection.execute(SET_CURRENT_VERSION, {"mindmap_id": mindmap_id, "number": number})


async def update_shown_version(
    connection: Connection,
    session_id: uuid.UUID,
    mindmap_id: uuid.UUID,
    number: int,
    content: VersionContent,
    *,
    title: str,
    summary: str,
    keywords: Sequence[str],
) -> None:
    """Replace what version `number` shows after an edit, and what describes the session; reindex the session."""
    await connection.execute(UPDATE_VERSION_CONTENT, {**content.parameters, "mindmap_id": mindmap_id, "number": number})
    await connection.execute(TOUCH_MAP, {"mindmap_id": mindmap_id})
    await connection.execute(
        DESCRIBE_EDITED_SESSION,
        {"session_id": session_id, "keywords": list(keywords), "summary": summary, "title": title[:MAX_TITLE_CHARS]},
    )
    await connection.execute(DELETE_SEARCH_STATE, {"session_id": session_id})


async def describe_session(
    connection: Connection, session_id: uuid.UUID, *, title: str, summary: str, keywords: Sequence[str]
) -> None:
    """Set the session's title, summary and keywords from its generated map."""
    await connection.execute(
        DESCRIBE_GENERATED_SESSION,
        {
            "session_id": session_id,
            "title": title[:MAX_TITLE_CHARS],
            "summary": summary,
            "keywords": list(keywords),
        },
    )
