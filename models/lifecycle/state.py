"""The only writer of the status of browsing sessions, maps and joint maps.

Each status has a declared transition table. Every change is a compare-and-set against that table: the statement names
the statuses it may start from, so of two concurrent callers one changes the row and the other gets `IllegalTransition`.
A change of a session's status writes its `session_transitions` row in the same statement.

All functions work in the transaction of the caller's connection and do not commit. They lock the session before its
map, which is the lock order of every transaction that takes both.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from models.database import Connection
from models.errors import IllegalTransition, NotFound
from models.mindmap.versions import MapStatus
from models.recording.browsing_sessions import OPEN_STATUSES, SessionStatus

Status = TypeVar("Status", bound=enum.StrEnum)


class SessionAction(enum.StrEnum):
    """What changes the status of a browsing session."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    #: Close a recording whose client sends no more events.
    EXPIRE = "expire"
    #: Close such a recording when it has no events: there is nothing to map.
    DISCARD_EMPTY = "discard_empty"
    COMPLETE = "complete"
    FAIL = "fail"
    RETRY = "retry"


class MapAction(enum.StrEnum):
    """What changes the status of a map or a joint map."""

    BEGIN = "begin"
    ADVANCE = "advance"
    COMPLETE = "complete"
    #: No first map could be generated.
    FAIL = "fail"
    #: Nothing better could be generated: the version there is stays.
    KEEP = "keep"
    #: The user has chosen the version shown, which settles an earlier failure.
    SETTLE = "settle"
    RETRY = "retry"
    #: A session of a joint map was deleted: the document shows its pages and must go.
    INVALIDATE = "invalidate"


@dataclass(frozen=True, slots=True)
class Transition(Generic[Status]):
    """The statuses an action may start from, and the status it ends in."""

    sources: tuple[Status, ...]
    target: Status


SESSION_START: Final = SessionStatus.RECORDING
SESSION_TRANSITIONS: Final[Mapping[SessionAction, Transition[SessionStatus]]] = MappingProxyType(
    {
        SessionAction.PAUSE: Transition((SessionStatus.RECORDING,), SessionStatus.PAUSED),
        SessionAction.RESUME: Transition((SessionStatus.PAUSED,), SessionStatus.RECORDING),
        SessionAction.STOP: Transition(OPEN_STATUSES, SessionStatus.PROCESSING),
        SessionAction.EXPIRE: Transition(OPEN_STATUSES, SessionStatus.PROCESSING),
        SessionAction.DISCARD_EMPTY: Transition(OPEN_STATUSES, SessionStatus.FAILED),
        # From `failed`: a map that is generated again by request or by a batch run may succeed.
        SessionAction.COMPLETE: Transition((SessionStatus.PROCESSING, SessionStatus.FAILED), SessionStatus.COMPLETED),
        SessionAction.FAIL: Transition((SessionStatus.PROCESSING,), SessionStatus.FAILED),
        SessionAction.RETRY: Transition((SessionStatus.FAILED,), SessionStatus.PROCESSING),
    }
)

#: The column default; a map leaves it in the transaction that requests it.
MAP_START: Final = MapStatus.PENDING
_UNFINISHED: Final = (MapStatus.PENDING, MapStatus.GENERATING)
_ANY: Final = tuple(MapStatus)
MAP_TRANSITIONS: Final[Mapping[MapAction, Transition[MapStatus]]] = MappingProxyType(
    {
        MapAction.BEGIN: Transition(_ANY, MapStatus.GENERATING),
        MapAction.ADVANCE: Transition((MapStatus.GENERATING,), MapStatus.GENERATING),
        # From any status: a job whose input has not changed confirms the version there is without generating one, and
        # a second worker may save the same map after the first.
        MapAction.COMPLETE: Transition(_ANY, MapStatus.COMPLETED),
        # Not from `completed`: a second worker that fails late must not hide the map that the first one saved.
        MapAction.FAIL: Transition(_UNFINISHED, MapStatus.FAILED),
        MapAction.KEEP: Transition(_UNFINISHED, MapStatus.COMPLETED),
        # From `failed`: rows of the previous version, which hid the version there was.
        MapAction.SETTLE: Transition((MapStatus.COMPLETED, MapStatus.FAILED), MapStatus.COMPLETED),
        # From `completed`: a map whose remake failed.
        MapAction.RETRY: Transition((MapStatus.FAILED, MapStatus.COMPLETED), MapStatus.GENERATING),
    }
)

JOINT_MAP_TRANSITIONS: Final[Mapping[MapAction, Transition[MapStatus]]] = MappingProxyType(
    {
        MapAction.BEGIN: Transition(_ANY, MapStatus.GENERATING),
        MapAction.ADVANCE: Transition((MapStatus.GENERATING,), MapStatus.GENERATING),
        # Not from `failed`: a worker that read the pages of a session before it was deleted must not save them.
        MapAction.COMPLETE: Transition((MapStatus.GENERATING, MapStatus.COMPLETED), MapStatus.COMPLETED),
        MapAction.FAIL: Transition(_UNFINISHED, MapStatus.FAILED),
        MapAction.KEEP: Transition(_UNFINISHED, MapStatus.COMPLETED),
        MapAction.SETTLE: Transition((MapStatus.COMPLETED,), MapStatus.COMPLETED),
        MapAction.INVALIDATE: Transition(_ANY, MapStatus.FAILED),
    }
)

# The first row of a session's history has the time the session started at.
INSERT_SESSION_START: Final = """
    INSERT INTO session_transitions (id, session_id, status, at)
    SELECT gen_random_uuid(), id, status, started_at FROM browsing_sessions
    WHERE id = %(session_id)s AND status = %(start)s
"""

# One statement, so that no status changes without its row in `session_transitions`.
MOVE_SESSION: Final = """
    WITH moved AS (
        UPDATE browsing_sessions SET status = %(target)s, failure_reason = %(reason)s::text, updated_at = now(),
            ended_at = CASE WHEN %(ends_recording)s::boolean THEN now() ELSE ended_at END
        WHERE id = %(session_id)s AND status = ANY(%(sources)s::text[])
            AND (deleted_at IS NULL OR %(include_deleted)s::boolean)
        RETURNING id
    )
    INSERT INTO session_transitions (id, session_id, status, at)
    SELECT gen_random_uuid(), id, %(target)s, now() FROM moved
"""

READ_SESSION_STATUS: Final = "SELECT status FROM browsing_sessions WHERE id = %(session_id)s"

# Creates the map's row when there is none. The key-share lock keeps the lock order: session, then map.
BEGIN_MAP: Final = """
    INSERT INTO mindmaps (id, session_id, status, stage, percent)
    SELECT gen_random_uuid(), id, %(target)s, %(stage)s, %(percent)s FROM browsing_sessions
    WHERE id = %(session_id)s FOR KEY SHARE
    ON CONFLICT (session_id) DO UPDATE SET status = excluded.status, stage = excluded.stage,
        percent = excluded.percent, error_message = NULL, updated_at = now()
    WHERE mindmaps.status = ANY(%(sources)s::text[])
"""

MOVE_MAP: Final = """
    UPDATE mindmaps SET status = %(target)s, stage = %(stage)s::text, percent = coalesce(%(percent)s::int, percent),
        error_message = %(error)s::text, updated_at = now()
    WHERE session_id = %(id)s AND status = ANY(%(sources)s::text[])
"""

READ_MAP_STATUS: Final = "SELECT status FROM mindmaps WHERE session_id = %(id)s"

READ_HAS_VERSION: Final = "SELECT current_version IS NOT NULL FROM mindmaps WHERE session_id = %(id)s"

MOVE_JOINT_MAP: Final = """
    UPDATE joint_maps SET status = %(target)s, stage = %(stage)s::text, percent = coalesce(%(percent)s::int, percent),
        error_message = %(error)s::text, updated_at = now()
    WHERE id = %(id)s AND status = ANY(%(sources)s::text[])
"""

READ_JOINT_MAP_STATUS: Final = "SELECT status FROM joint_maps WHERE id = %(id)s"

# A document that was removed may be the JSON value null.
READ_HAS_JOINT_DOCUMENT: Final = "SELECT jsonb_typeof(data) = 'object' FROM joint_maps WHERE id = %(id)s"

# `updated_at` stays: the user did not change the map.
INVALIDATE_JOINT_MAPS: Final = """
    UPDATE joint_maps SET status = %(target)s, stage = NULL, error_message = %(error)s, data = NULL, input_digest = NULL
    WHERE status = ANY(%(sources)s::text[])
        AND id IN (SELECT map_id FROM joint_map_sessions WHERE session_id = %(session_id)s)
"""


def _texts(statuses: tuple[Status, ...]) -> list[str]:
    return [str(status) for status in statuses]


# --- browsing sessions -----------------------------------------------------------------------------------------------


async def start_session(connection: Connection, session_id: uuid.UUID) -> None:
    """Write the first `session_transitions` row of a session that was just inserted.

    Raises NotFound when no recording session with this id exists.
    """
    cursor = await connection.execute(INSERT_SESSION_START, {"session_id": session_id, "start": str(SESSION_START)})
    if cursor.rowcount == 0:
        raise NotFound("session not found")


async def pause_session(connection: Connection, session_id: uuid.UUID) -> None:
    """Pause a recording. Raises NotFound, IllegalTransition."""
    await _require_session(connection, session_id, SessionAction.PAUSE)


async def resume_session(connection: Connection, session_id: uuid.UUID) -> None:
    """Continue a paused recording. Raises NotFound, IllegalTransition."""
    await _require_session(connection, session_id, SessionAction.RESUME)


async def stop_session(connection: Connection, session_id: uuid.UUID) -> None:
    """End a recording at its user's request. Raises NotFound, IllegalTransition."""
    await _require_session(connection, session_id, SessionAction.STOP)


async def expire_session(connection: Connection, session_id: uuid.UUID) -> None:
    """End a recording whose client has sent no events for a long time. Raises NotFound, IllegalTransition."""
    await _require_session(connection, session_id, SessionAction.EXPIRE)


async def discard_empty_session(connection: Connection, session_id: uuid.UUID, reason: str) -> None:
    """End an abandoned recording without events as failed. Raises NotFound, IllegalTransition."""
    await _require_session(connection, session_id, SessionAction.DISCARD_EMPTY, reason=reason)


async def _require_session(
    connection: Connection, session_id: uuid.UUID, action: SessionAction, *, reason: str | None = None
) -> None:
    if await _move_session(connection, session_id, action, reason=reason):
        return
    cursor = await connection.execute(READ_SESSION_STATUS, {"session_id": session_id})
    row = await cursor.fetchone()
    # A deleted session whose status would allow the action is absent for its user.
    if row is None or row[0] in SESSION_TRANSITIONS[action].sources:
        raise NotFound("session not found")
    raise IllegalTransition(action, row[0])


async def _move_session(
    connection: Connection,
    session_id: uuid.UUID,
    action: SessionAction,
    *,
    reason: str | None = None,
    include_deleted: bool = False,
) -> bool:
    """Whether the session was in a status that allows `action`; if so, it has the new status and a history row."""
    transition = SESSION_TRANSITIONS[action]
    cursor = await connection.execute(
        MOVE_SESSION,
        {
            "session_id": session_id,
            "sources": _texts(transition.sources),
            "target": str(transition.target),
            "reason": reason,
            "ends_recording": transition.sources == OPEN_STATUSES,
            "include_deleted": include_deleted,
        },
    )
    return cursor.rowcount > 0


# --- maps ------------------------------------------------------------------------------------------------------------


async def begin_map(connection: Connection, session_id: uuid.UUID, *, stage: str = "queued", percent: int = 0) -> None:
    """Set the session's map to `generating` at `stage`, and clear its error; create the map's row if there is none.

    Raises NotFound when the session does not exist.
    """
    transition = MAP_TRANSITIONS[MapAction.BEGIN]
    cursor = await connection.execute(
        BEGIN_MAP,
        {
            "session_id": session_id,
            "sources": _texts(transition.sources),
            "target": str(transition.target),
            "stage": stage,
            "percent": percent,
        },
    )
    if cursor.rowcount == 0:
        raise NotFound("session not found")


async def advance_map(connection: Connection, session_id: uuid.UUID, stage: str, percent: int) -> None:
    """Record the progress of a map that is being generated. Raises NotFound, IllegalTransition."""
    await _require_map(connection, session_id, MapAction.ADVANCE, stage=stage, percent=percent)


async def complete_map(connection: Connection, session_id: uuid.UUID) -> None:
    """Set the map to `completed`, and its session too unless it is completed already.

    Raises NotFound when there is no map.
    """
    async with connection.transaction():
        await _move_session(connection, session_id, SessionAction.COMPLETE, include_deleted=True)
        await _require_map(connection, session_id, MapAction.COMPLETE, percent=100)


async def fail_map(connection: Connection, session_id: uuid.UUID, reason: str) -> MapStatus:
    """End a generation that failed; the user reads `reason`. Return the map's new status.

    A map that has a version stays `completed` and keeps `reason` beside it; the first map becomes `failed`, and its
    session too. Raises NotFound, or IllegalTransition when the map is finished already; then nothing is changed.
    """
    if await _is_true(READ_HAS_VERSION, connection, session_id):
        await keep_map(connection, session_id, reason)
        return MapStatus.COMPLETED
    async with connection.transaction():
        await _move_session(connection, session_id, SessionAction.FAIL, reason=reason, include_deleted=True)
        await _require_map(connection, session_id, MapAction.FAIL, error=reason)
    return MapStatus.FAILED


async def keep_map(connection: Connection, session_id: uuid.UUID, reason: str) -> None:
    """End a generation without a new version to show: the version shown stays, `reason` tells the user why.

    Raises NotFound, or IllegalTransition when the map is finished already; then nothing is changed.
    """
    async with connection.transaction():
        await _move_session(connection, session_id, SessionAction.COMPLETE, include_deleted=True)
        await _require_map(connection, session_id, MapAction.KEEP, percent=100, error=reason)


async def settle_map(connection: Connection, session_id: uuid.UUID) -> None:
    """Clear the failure of the last generation. No effect on a map that is being generated."""
    await _move_map(MOVE_MAP, connection, session_id, MAP_TRANSITIONS[MapAction.SETTLE], percent=100)


async def retry_map(connection: Connection, session_id: uuid.UUID) -> None:
    """Set a map whose generation failed, and a failed session, back to waiting for the worker. Safe to repeat."""
    async with connection.transaction():
        await _move_session(connection, session_id, SessionAction.RETRY, include_deleted=True)
        await _move_map(MOVE_MAP, connection, session_id, MAP_TRANSITIONS[MapAction.RETRY], stage="queued", percent=0)


async def _require_map(
    connection: Connection,
    session_id: uuid.UUID,
    action: MapAction,
    *,
    stage: str | None = None,
    percent: int | None = None,
    error: str | None = None,
) -> None:
    transition = MAP_TRANSITIONS[action]
    if not await _move_map(MOVE_MAP, connection, session_id, transition, stage=stage, percent=percent, error=error):
        await _raise_illegal(READ_MAP_STATUS, connection, session_id, action)


# --- joint maps ------------------------------------------------------------------------------------------------------


async def begin_joint_map(
    connection: Connection, map_id: uuid.UUID, *, stage: str = "queued", percent: int = 0
) -> None:
    """Set the joint map to `generating` at `stage`, and clear its error. Raises NotFound."""
    await _require_joint_map(connection, map_id, MapAction.BEGIN, stage=stage, percent=percent)


async def advance_joint_map(connection: Connection, map_id: uuid.UUID, stage: str, percent: int) -> None:
    """Record the progress of a joint map that is being generated. Raises NotFound, IllegalTransition."""
    await _require_joint_map(connection, map_id, MapAction.ADVANCE, stage=stage, percent=percent)


async def complete_joint_map(connection: Connection, map_id: uuid.UUID) -> None:
    """Set the joint map to `completed`.

    Raises NotFound, or IllegalTransition when it was invalidated or has failed meanwhile: its document must not be
    saved then.
    """
    await _require_joint_map(connection, map_id, MapAction.COMPLETE, percent=100)


async def fail_joint_map(connection: Connection, map_id: uuid.UUID, reason: str) -> None:
    """End a generation that failed; the user reads `reason`. Raises NotFound, IllegalTransition.

    A joint map with a document stays `completed` and keeps `reason` beside it.
    """
    if await _is_true(READ_HAS_JOINT_DOCUMENT, connection, map_id):
        await _require_joint_map(connection, map_id, MapAction.KEEP, percent=100, error=reason)
    else:
        await _require_joint_map(connection, map_id, MapAction.FAIL, error=reason)


async def settle_joint_map(connection: Connection, map_id: uuid.UUID) -> None:
    """Clear the failure of the last generation. No effect on a map that is being generated."""
    await _move_map(MOVE_JOINT_MAP, connection, map_id, JOINT_MAP_TRANSITIONS[MapAction.SETTLE], percent=100)


async def invalidate_joint_maps(connection: Connection, session_id: uuid.UUID) -> int:
    """Remove the documents of all joint maps that show a session to be erased; return how many."""
    transition = JOINT_MAP_TRANSITIONS[MapAction.INVALIDATE]
    cursor = await connection.execute(
        INVALIDATE_JOINT_MAPS,
        {
            "session_id": session_id,
            "sources": _texts(transition.sources),
            "target": str(transition.target),
            "error": "a session of this map was deleted; make the map again",
        },
    )
    return cursor.rowcount


async def _require_joint_map(
    connection: Connection,
    map_id: uuid.UUID,
    action: MapAction,
    *,
    stage: str | None = None,
    percent: int | None = None,
    error: str | None = None,
) -> None:
    transition = JOINT_MAP_TRANSITIONS[action]
    if not await _move_map(MOVE_JOINT_MAP, connection, map_id, transition, stage=stage, percent=percent, error=error):
        await _raise_illegal(READ_JOINT_MAP_STATUS, connection, map_id, action)


# --- shared by maps and joint maps -----------------------------------------------------------------------------------


async def _move_map(
    statement: str,
    connection: Connection,
    row_id: uuid.UUID,
    transition: Transition[MapStatus],
    *,
    stage: str | None = None,
    percent: int | None = None,
    error: str | None = None,
) -> bool:
    cursor = await connection.execute(
        statement,
        {
            "id": row_id,
            "sources": _texts(transition.sources),
            "target": str(transition.target),
            "stage": stage,
            "percent": percent,
            "error": error,
        },
    )
    return cursor.rowcount > 0


async def _is_true(statement: str, connection: Connection, row_id: uuid.UUID) -> bool:
    cursor = await connection.execute(statement, {"id": row_id})
    row = await cursor.fetchone()
    return bool(row and row[0])


async def _raise_illegal(read_status: str, connection: Connection, row_id: uuid.UUID, action: MapAction) -> None:
    cursor = await connection.execute(read_status, {"id": row_id})
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("map not found")
    raise IllegalTransition(action, row[0], "map")
