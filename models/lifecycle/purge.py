"""Purge of a deleted session: its rows, the page texts that no other session of its user needs, and its labels on other
maps.
"""

from __future__ import annotations

import uuid
from typing import Final

from models.accounts.erasure import count_user_rows
from models.accounts.erasure_receipts import complete_session_receipt
from models.accounts.label_lock import lock_labels
from models.billing.storage import ROW_BYTES, add_stored_bytes
from models.database import Connection
from models.jobs import delete_jobs_of_session
from models.lifecycle.state import invalidate_joint_maps
from models.mindmap.joint_version_store import delete_joint_versions_of_session
from models.mindmap.reused_labels import forget_reused_labels, labelled_sessions

READ_OWNER: Final = "SELECT user_id FROM browsing_sessions WHERE id = %(session_id)s"

# The lock waits for flushes and for a restore of the session. A restored session is not deleted any more.
LOCK_DELETED_SESSION: Final = """
    SELECT user_id FROM browsing_sessions s WHERE id = %(session_id)s AND deleted_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.user_id = s.user_id) FOR UPDATE
"""

# Page texts are stored once per user and content; other sessions may refer to the same text, by their events or, if
# those were deleted, by their visits.
DELETE_UNSHARED_CONTENTS: Final = """
    DELETE FROM page_contents c WHERE c.user_id = %(user_id)s
        AND c.content_key IN (
            SELECT content_key FROM events WHERE session_id = %(session_id)s AND content_key IS NOT NULL
            UNION SELECT content_key FROM visits WHERE session_id = %(session_id)s AND content_key IS NOT NULL)
        AND NOT EXISTS (
            SELECT FROM events e JOIN browsing_sessions s ON s.id = e.session_id
            WHERE s.user_id = %(user_id)s AND s.id <> %(session_id)s AND e.content_key = c.content_key)
        AND NOT EXISTS (
            SELECT FROM timeline_snapshots t JOIN browsing_sessions s ON s.id = t.session_id
            JOIN visits v ON v.session_id = s.id
            WHERE s.user_id = %(user_id)s AND s.id <> %(session_id)s AND v.content_key = c.content_key)
    RETURNING octet_length(c.text)
"""

# What `models.billing.storage` counts, of what a purge deletes.
COUNT_STORED_BYTES: Final = """
    SELECT (SELECT coalesce(sum(octet_length(payload) + %(row_bytes)s), 0) FROM events
            WHERE session_id = %(session_id)s)
        + (SELECT count(*) * %(row_bytes)s FROM event_rejections WHERE session_id = %(session_id)s)
"""

DELETE_EVENTS: Final = "DELETE FROM events WHERE session_id = %(session_id)s"

# Foreign keys cascade to the session's other rows.
DELETE_SESSION: Final = "DELETE FROM browsing_sessions WHERE id = %(session_id)s"


async def delete_session_rows(connection: Connection, session_id: uuid.UUID) -> dict[str, int]:
    """Delete a session that is marked as deleted, and all its rows; return how many of each kind.

    Safe to repeat. Returns nothing, and deletes nothing, when the session was restored or is purged already. Joint maps
    that show the session lose their document until their user generates them again.
    """
    cursor = await connection.execute(READ_OWNER, {"session_id": session_id})
    owner = await cursor.fetchone()
    if owner is None:
        return {}
    await lock_labels(connection, owner[0])
    cursor = await connection.execute(LOCK_DELETED_SESSION, {"session_id": session_id})
    row = await cursor.fetchone()
    if row is None:
        return {}
    counts = await count_user_rows(connection, session_id, "browsing_sessions")
    contents = await connection.execute(DELETE_UNSHARED_CONTENTS, {"user_id": row[0], "session_id": session_id})
    num_bytes = sum(num_text_bytes + ROW_BYTES for (num_text_bytes,) in await contents.fetchall())
    counted = await connection.execute(COUNT_STORED_BYTES, {"session_id": session_id, "row_bytes": ROW_BYTES})
    count = await counted.fetchone()
    num_bytes += int(count[0]) if count else 0
    await connection.execute(DELETE_EVENTS, {"session_id": session_id})
    counts |= await delete_joint_versions_of_session(connection, session_id)
    counts |= {"page_contents": contents.rowcount, "joint_maps": await invalidate_joint_maps(connection, session_id)}
    counts["jobs"] = await delete_jobs_of_session(connection, session_id)
    sources = await labelled_sessions(connection, [session_id])
    counts["map_versions_rewritten"] = await forget_reused_labels(connection, row[0], sources)
    await connection.execute(DELETE_SESSION, {"session_id": session_id})
    await add_stored_bytes(connection, {row[0]: -num_bytes})
    counts = {table: number for table, number in counts.items() if number}
    await complete_session_receipt(connection, row[0], session_id, counts)
    return counts
