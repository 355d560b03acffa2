"""Maps that wait for a job which does not exist any more, for example because their session was deleted meanwhile."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from models.database import Connection
from models.jobs import BATCH, GENERATE_JOINT_MAP, GENERATE_MAP, INTERACTIVE, enqueue_joint_map, enqueue_map
from models.lifecycle.state import begin_joint_map, begin_map
from models.recording.browsing_sessions import SessionStatus

# A running job of a dead worker counts: it is requeued.
FIND_INTERRUPTED_MAPS: Final = """
    SELECT s.id, EXISTS (
        SELECT FROM procrastinate_jobs j WHERE j.task_name = %(task)s AND j.args ->> 'session_id' = s.id::text)
    FROM browsing_sessions s LEFT JOIN mindmaps m ON m.session_id = s.id
    WHERE s.deleted_at IS NULL AND (s.status = 'processing'
            OR (m.status IN ('pending', 'generating') AND s.status IN ('completed', 'failed')))
        AND greatest(s.updated_at, m.updated_at) < now() - %(age)s::interval
        AND NOT EXISTS (
            SELECT FROM procrastinate_jobs j WHERE j.task_name = %(task)s AND j.status IN ('todo', 'doing')
                AND j.args ->> 'session_id' = s.id::text)
"""

FIND_INTERRUPTED_JOINT_MAPS: Final = """
    SELECT m.id, EXISTS (
        SELECT FROM procrastinate_jobs j WHERE j.task_name = %(task)s AND j.args ->> 'map_id' = m.id::text)
    FROM joint_maps m
    WHERE m.status IN ('pending', 'generating') AND m.updated_at < now() - %(age)s::interval
        AND NOT EXISTS (
            SELECT FROM procrastinate_jobs j WHERE j.task_name = %(task)s AND j.status IN ('todo', 'doing')
                AND j.args ->> 'map_id' = m.id::text)
"""

READ_IS_UNFINISHED: Final = """
    SELECT s.status = %(processing)s OR coalesce(m.status IN ('pending', 'generating'), false)
    FROM browsing_sessions s LEFT JOIN mindmaps m ON m.session_id = s.id WHERE s.id = %(session_id)s
"""


@dataclass(frozen=True, slots=True)
class InterruptedMap:
    """A map that nothing generates although its status says so. `has_dead_job`: its job has failed or was cancelled."""

    #: The id of the session, or of the joint map.
    id: uuid.UUID
    has_dead_job: bool


async def find_interrupted_maps(connection: Connection, age: timedelta) -> list[InterruptedMap]:
    """Session maps without a job whose status has not changed for `age`."""
    cursor = await connection.execute(FIND_INTERRUPTED_MAPS, {"task": GENERATE_MAP, "age": age})
    return [InterruptedMap(*row) for row in await cursor.fetchall()]


async def find_interrupted_joint_maps(connection: Connection, age: timedelta) -> list[InterruptedMap]:
    """Joint maps without a job whose status has not changed for `age`."""
    cursor = await connection.execute(FIND_INTERRUPTED_JOINT_MAPS, {"task": GENERATE_JOINT_MAP, "age": age})
    return [InterruptedMap(*row) for row in await cursor.fetchall()]


async def resume_map(connection: Connection, session_id: uuid.UUID, *, priority: int = BATCH) -> None:
    """Enqueue the map of a session again. Raises NotFound when the session does not exist."""
    await begin_map(connection, session_id)
    await enqueue_map(connection, str(session_id), priority=priority)


async def resume_joint_map(connection: Connection, map_id: uuid.UUID) -> None:
    """Enqueue a joint map again. Raises NotFound when it does not exist."""
    await begin_joint_map(connection, map_id)
    await enqueue_joint_map(connection, str(map_id))


async def resume_restored_session(connection: Connection, session_id: uuid.UUID) -> bool:
    """Enqueue the map of a restored session that was deleted before its map was finished; whether it was.

    The job of a deleted session ends without effect.
    """
    cursor = await connection.execute(
        READ_IS_UNFINISHED, {"session_id": session_id, "processing": str(SessionStatus.PROCESSING)}
    )
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return False
    await resume_map(connection, session_id, priority=INTERACTIVE)
    return True
