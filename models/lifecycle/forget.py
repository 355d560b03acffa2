"""Forgets a page, a site or a time: deletes everything that was recorded of it and everything derived from it.

Derived texts may quote a page anywhere, so that nothing derived from a touched session stays: all versions of its map
with the edits, its share links, texts and cached answers of models, its rows in the search index, the user's threads,
joint maps, labels that other maps have reused from it. The map is generated again from what is left.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from models.accounts.erasure_receipts import ErasureScope, add_receipt
from models.accounts.label_lock import lock_labels
from models.accounts.legal_holds import require_no_hold
from models.billing.policy import map_priority
from models.billing.storage import ROW_BYTES, add_stored_bytes
from models.database import Connection
from models.errors import Conflict, NotFound
from models.jobs import delete_jobs_of_session, enqueue_map, enqueue_purge
from models.lifecycle.state import begin_map, invalidate_joint_maps
from models.mindmap.joint_version_store import delete_joint_versions_of_session
from models.mindmap.reused_labels import forget_reused_labels, labelled_sessions
from models.recording.forgetting import ForgetTarget, plan_forgetting, timeline_without
from models.recording.payloads import encode_payload
from models.recording.timeline import Timeline
from models.recording.timeline_snapshots import load_snapshot, save_snapshot
from models.recording.timeline_store import from_epoch_ms, load_events, load_timeline, save_timeline

# Deleted sessions too: one may be restored. In id order, as all writers that lock several sessions.
LOCK_SESSIONS_TO_FORGET: Final = """
    SELECT s.id, s.status IN ('recording', 'paused'), s.deleted_at IS NOT NULL FROM browsing_sessions s
    WHERE s.user_id = %(user_id)s AND (%(session_id)s::uuid IS NULL OR s.id = %(session_id)s) AND (
        (%(session_id)s::uuid IS NOT NULL AND s.deleted_at IS NULL)
        OR s.status IN ('recording', 'paused')
        OR EXISTS (SELECT FROM visits v WHERE v.session_id = s.id AND (
            v.page_id = %(page_id)s
            OR v.url ILIKE '%%' || %(domain)s || '%%'
            OR (v.started_at < %(until)s AND coalesce(v.ended_at, v.started_at) >= %(since)s)))
        OR EXISTS (SELECT FROM timeline_snapshots t WHERE t.session_id = s.id AND
            t.document ILIKE '%%' || %(domain)s || '%%')
        OR EXISTS (SELECT FROM events e WHERE e.session_id = s.id AND (
            e.payload ILIKE '%%' || %(domain)s || '%%'
            OR (e.occurred_at >= %(since)s AND e.occurred_at < %(until)s))))
    ORDER BY s.id FOR UPDATE
"""
DELETE_EVENTS_BY_KEY: Final = """
    DELETE FROM events WHERE session_id = %(session_id)s AND event_key = ANY(%(keys)s::uuid[])
    RETURNING octet_length(payload), content_key
"""
# What is left is stored for the first time: `events` is otherwise written once.
REWRITE_EVENT: Final = """
    UPDATE events SET payload = %(payload)s WHERE session_id = %(session_id)s AND event_key = %(key)s
"""
DELETE_UNUSED_CONTENTS: Final = """
    DELETE FROM page_contents c WHERE c.user_id = %(user_id)s AND c.content_key = ANY(%(keys)s::uuid[])
        AND NOT EXISTS (SELECT FROM events e JOIN browsing_sessions s ON s.id = e.session_id
            WHERE s.user_id = %(user_id)s AND e.content_key = c.content_key)
        AND NOT EXISTS (SELECT FROM timeline_snapshots t JOIN browsing_sessions s ON s.id = t.session_id
            JOIN visits v ON v.session_id = s.id WHERE s.user_id = %(user_id)s AND v.content_key = c.content_key)
    RETURNING octet_length(c.text)
"""
COUNT_DERIVED_ROWS: Final = """
    SELECT (SELECT count(*) FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id
            WHERE m.session_id = %(session_id)s),
        (SELECT count(*) FROM mindmap_edits e JOIN mindmaps m ON m.id = e.mindmap_id
            WHERE m.session_id = %(session_id)s),
        (SELECT count(*) FROM highlights WHERE session_id = %(session_id)s)
"""
# Cascades to versions and edits. The new row has another id: a worker that read the pages before does not save them.
DELETE_MAP: Final = "DELETE FROM mindmaps WHERE session_id = %(session_id)s"
DELETE_SHARES: Final = "DELETE FROM share_links WHERE session_id = %(session_id)s"
DELETE_MODEL_TEXTS: Final = "DELETE FROM ai_call_texts WHERE session_id = %(session_id)s"
DELETE_CACHED_ANSWERS: Final = "DELETE FROM ai_checkpoints WHERE session_id = %(session_id)s"
DELETE_RUN_ANSWERS: Final = "DELETE FROM ai_run_answers WHERE session_id = %(session_id)s"
DELETE_SEARCH_PAGES: Final = "DELETE FROM search_pages WHERE session_id = %(session_id)s"
DELETE_VECTORS: Final = "DELETE FROM page_vectors WHERE session_id = %(session_id)s"
DELETE_SEARCH_STATES: Final = "DELETE FROM search_state WHERE session_id = %(session_id)s"
DELETE_THREADS: Final = "DELETE FROM thread_findings WHERE user_id = %(user_id)s"
FORGET_DESCRIPTION: Final = """
    UPDATE browsing_sessions SET summary = NULL, keywords = '{}',
        title = CASE WHEN title_source = 'user' THEN title END
    WHERE id = %(session_id)s
"""
MARK_AS_DELETED: Final = "UPDATE browsing_sessions SET deleted_at = now() WHERE id = %(session_id)s"


#: A deleted session can be restored within this time; then all its rows are deleted.
RESTORE_S = 15 * 60


class RecordingIsOpen(Conflict):
    """A recording is open: its events are still on their way."""

    code = "RECORDING_IS_OPEN"

    def __str__(self) -> str:
        return "stop the recording first; then parts of it can be forgotten"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was forgotten: the receipt, the sessions, and rows by kind. `num_open` recordings were not looked at."""

    receipt_id: uuid.UUID
    session_ids: list[uuid.UUID]
    counts: dict[str, int]
    num_open: int


async def forget(
    connection: Connection, user_id: uuid.UUID, target: ForgetTarget, session_id: uuid.UUID | None = None
) -> Forgotten:
    """Forget `target` in one session, or in all of the user's that are not recording; store the receipt.

    The caller commits. A session of which nothing is left is deleted. Raises NotFound for an unknown session,
    RecordingIsOpen for one that records, AccountHeld.
    """
    await require_no_hold(connection, user_id)
    await lock_labels(connection, user_id)
    rows = await (
        await connection.execute(LOCK_SESSIONS_TO_FORGET, _parameters(user_id, target, session_id))
    ).fetchall()
    if session_id is not None and not rows:
        raise NotFound("session not found")
    if session_id is not None and rows[0][1]:
        raise RecordingIsOpen("the recording is open")
    counts: Counter[str] = Counter()
    touched = []
    labelled = await labelled_sessions(connection, [row[0] for row in rows])
    for found_id, is_open, is_deleted in rows:
        if is_open:
            continue
        if await _forget_in(connection, user_id, found_id, target, counts, is_deleted=is_deleted):
            touched.append(found_id)
    if touched:
        counts["thread_findings"] = (await connection.execute(DELETE_THREADS, {"user_id": user_id})).rowcount
        sources = [str(each) for each in touched if str(each) in labelled]
        counts["map_versions_rewritten"] = await forget_reused_labels(connection, user_id, sources)
    scope: ErasureScope = "page" if target.page_id else "site" if target.domain else "time"
    numbers = {kind: number for kind, number in counts.items() if number}
    receipt_id = await add_receipt(connection, user_id, scope, touched, numbers)
    return Forgotten(receipt_id, touched, numbers, sum(is_open for _, is_open, _ in rows))


def _parameters(user_id: uuid.UUID, target: ForgetTarget, session_id: uuid.UUID | None) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "session_id": session_id,
        "page_id": target.page_id,
        "domain": target.domain.replace("\\", r"\\").replace("_", r"\_").replace("%", r"\%") if target.domain else None,
        "since": from_epoch_ms(target.since_ms) if target.since_ms is not None else None,
        "until": from_epoch_ms(target.until_ms) if target.until_ms is not None else None,
    }


async def _forget_in(
    connection: Connection,
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    target: ForgetTarget,
    counts: Counter[str],
    *,
    is_deleted: bool,
) -> bool:
    timeline = await load_timeline(connection, session_id)
    snapshot = await load_snapshot(connection, session_id)
    rest_of_snapshot = timeline_without(timeline, target) if snapshot is not None else None
    plan = plan_forgetting(await load_events(connection, session_id), timeline, target)
    if rest_of_snapshot is None and (snapshot is not None or not (plan.deleted or plan.rewritten)):
        return False
    values = {"session_id": session_id, "user_id": user_id}
    before = await (await connection.execute(COUNT_DERIVED_ROWS, values)).fetchone()
    assert before is not None
    counts["mindmap_versions"] += before[0]
    counts["mindmap_edits"] += before[1]
    counts["visits"] += plan.num_visits
    if snapshot is not None and rest_of_snapshot is not None:
        await save_snapshot(connection, session_id, snapshot.with_timeline(rest_of_snapshot))
    await _delete_events(connection, user_id, session_id, sorted(plan.deleted), counts)
    for key, fields in plan.rewritten.items():
        row = {"session_id": session_id, "key": uuid.UUID(key), "payload": encode_payload(fields)}
        await connection.execute(REWRITE_EVENT, row)
    counts["events_rewritten"] += len(plan.rewritten)
    for kind, statement in (
        ("mindmaps", DELETE_MAP),
        ("share_links", DELETE_SHARES),
        ("ai_call_texts", DELETE_MODEL_TEXTS),
        ("ai_cached_responses", DELETE_CACHED_ANSWERS),
        ("ai_cached_responses", DELETE_RUN_ANSWERS),
        ("search_pages", DELETE_SEARCH_PAGES),
        ("page_vectors", DELETE_VECTORS),
    ):
        counts[kind] += (await connection.execute(statement, values)).rowcount
    await connection.execute(DELETE_SEARCH_STATES, values)
    counts.update(await delete_joint_versions_of_session(connection, session_id))
    counts["joint_maps"] += await invalidate_joint_maps(connection, session_id)
    counts["jobs"] += await delete_jobs_of_session(connection, session_id)
    await connection.execute(FORGET_DESCRIPTION, values)
    rest = await load_timeline(connection, session_id)
    await save_timeline(connection, session_id, rest)
    if snapshot is not None:
        await _delete_texts_without_events(connection, user_id, timeline, counts)
    counts["highlights"] += before[2] - len(rest.highlights)
    if is_deleted:
        # Its purge waits. If it is restored before, its user requests the map.
        await enqueue_purge(connection, str(session_id), delay_s=RESTORE_S)
    elif rest.visits:
        await begin_map(connection, session_id)
        priority = await map_priority(connection, user_id)
        await enqueue_map(connection, str(session_id), force=True, priority=priority)
    else:
        await connection.execute(MARK_AS_DELETED, values)
        await enqueue_purge(connection, str(session_id))
        counts["browsing_sessions"] += 1
    return True


async def delete_model_texts(connection: Connection, session_id: uuid.UUID) -> None:
    """Delete the texts and cached answers of models about a session."""
    await connection.execute(DELETE_MODEL_TEXTS, {"session_id": session_id})
    await connection.execute(DELETE_CACHED_ANSWERS, {"session_id": session_id})
    await connection.execute(DELETE_RUN_ANSWERS, {"session_id": session_id})


async def delete_unused_contents(connection: Connection, user_id: uuid.UUID, keys: Set[uuid.UUID]) -> list[int]:
    """Delete those of these page texts that no session of the user needs any more; returns their bytes."""
    values = {"user_id": user_id, "keys": list(keys)}
    return [row[0] for row in await (await connection.execute(DELETE_UNUSED_CONTENTS, values)).fetchall()]


async def _delete_texts_without_events(
    connection: Connection, user_id: uuid.UUID, before: Timeline, counts: Counter[str]
) -> None:
    """Delete the texts of a session without events that its visits do not name any more."""
    keys = {uuid.UUID(visit.content_key) for visit in before.visits if visit.content_key}
    texts = await delete_unused_contents(connection, user_id, keys)
    counts["page_contents"] += len(texts)
    await add_stored_bytes(connection, {user_id: -sum(size + ROW_BYTES for size in texts)})


async def _delete_events(
    connection: Connection, user_id: uuid.UUID, session_id: uuid.UUID, keys: Sequence[str], counts: Counter[str]
) -> None:
    deleted = await (
        await connection.execute(
            DELETE_EVENTS_BY_KEY, {"session_id": session_id, "keys": [uuid.UUID(key) for key in keys]}
        )
    ).fetchall()
    texts = await delete_unused_contents(connection, user_id, {key for _, key in deleted if key is not None})
    counts["events"] += len(deleted)
    counts["page_contents"] += len(texts)
    num_bytes = sum(size + ROW_BYTES for size, _ in deleted) + sum(size + ROW_BYTES for size in texts)
    await add_stored_bytes(connection, {user_id: -num_bytes})
