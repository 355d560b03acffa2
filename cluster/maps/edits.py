"""A map's edits in the database: the log, its replay on every version, undo, redo, and versions brought back.

The log is append-only and belongs to the map, not to a version. What is shown is always one version as it was
generated with the whole log replayed on it, so a new version keeps the edits, and whatever it cannot keep is in its
reports. Functions work inside the caller's transaction; they lock the session, then the map, like everybody.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.types.json import Jsonb

from cluster.mindmap.document.edit_layout import apply_edits
from models.database import Connection
from models.errors import BadRequest, Conflict, NotFound
from models.mindmap.document import MindmapDocument
from models.mindmap.edits import EditReport, apply_operations, rejection, with_anchors
from models.mindmap.operations import EDIT_LOG_ADAPTER, LogEntry, Operation, Redo, Undo, operations_in_effect
from models.mindmap.validation import validate_document
from models.recording.pages import CapturedPage

#: Entries of one map's log. Replaying is linear in them.
MAX_LOG_ENTRIES = 2_000


@dataclass(frozen=True, slots=True)
class EditedDocument:
    """A version with the log replayed. `generated` is None when the log changes nothing."""

    document: MindmapDocument
    generated: MindmapDocument | None
    seq: int
    reports: tuple[EditReport, ...]

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of `mindmap_versions` that hold it."""
        return {
            "data": Jsonb(self.document.to_json()),
            "generated": Jsonb(self.generated.to_json()) if self.generated is not None else None,
            "edits_seq": self.seq,
            "edit_reports": Jsonb([asdict(report) for report in self.reports]),
            "scorecard": Jsonb(self.document.scorecard.model_dump(mode="json", by_alias=True)),
        }


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """What a request to edit came to: the version it was made on, and a report for every operation in it."""

    version: int
    edited: EditedDocument
    reports: tuple[EditReport, ...]


@dataclass(frozen=True, slots=True)
class LogState:
    """How long the log is, and which way one can go from here."""

    seq: int
    num_in_effect: int
    can_redo: bool


def log_state(log: Sequence[LogEntry]) -> LogState:
    """The state of a log."""
    return LogState(len(log), len(operations_in_effect(log)), _can_redo(log))


def _can_redo(log: Sequence[LogEntry]) -> bool:
    return len(operations_in_effect([*log, Redo()])) > len(operations_in_effect(log))


def replay(generated: MindmapDocument, log: Sequence[LogEntry]) -> EditedDocument:
    """`generated` with `log` replayed. Pure; takes a while for large maps, so call it in a thread.

    Should the result break a rule of maps, which no edits we know of can do, the map stays as generated and every
    operation is reported: a map that is checked comes before an edit.
    """
    operations = operations_in_effect(log)
    document, reports = apply_edits(generated, operations)
    if operations and validate_document(document, cited_pages(generated)):
        return EditedDocument(
            generated, None, len(log), tuple(rejection(o.op_id, o.op, "does_not_fit") for o in operations)
        )
    return EditedDocument(document, generated if operations else None, len(log), tuple(reports))


def cited_pages(document: MindmapDocument) -> list[CapturedPage]:
    """The captured pages as far as a checked document tells of them.

    An edit brings no evidence of its own, so what the document cites is all an edited one may cite. The page texts
    need not be read again, and may be gone.
    """
    quotes: dict[str, dict[str, list[str]]] = {}
    visits: dict[str, set[int]] = {}
    for node in document.nodes:
        for quote in node.data.evidence:
            quotes.setdefault(quote.page_id, {}).setdefault(quote.field, []).append(quote.quote)
            visits.setdefault(quote.page_id, set()).update(quote.visited_at_ms)
    known = [n.data.page_id for n in document.nodes if n.data.page_id] + [
        one.page_id for one in document.excluded_pages
    ]
    return [
        CapturedPage(
            page_id=page,
            url=" ".join(quotes.get(page, {}).get("url", [])),
            title=" ".join(quotes.get(page, {}).get("title", [])),
            text="\n".join(quotes.get(page, {}).get("text", [])),
            highlights=tuple(quotes.get(page, {}).get("highlight", [])),
            visited_at_ms=tuple(sorted(visits.get(page, ()))),
        )
        for page in dict.fromkeys(known)
    ]


async def read_log(connection: Connection, mindmap_id: uuid.UUID) -> list[LogEntry]:
    """The whole log, oldest first."""
    cursor = await connection.execute(
        "SELECT entry FROM mindmap_edits WHERE mindmap_id = %s ORDER BY seq", [mindmap_id]
    )
    return EDIT_LOG_ADAPTER.validate_python([row[0] for row in await cursor.fetchall()])


async def replay_saved_edits(
    connection: Connection, session_id: uuid.UUID, document: MindmapDocument
) -> EditedDocument:
    """A freshly generated document with the user's edits replayed on it."""
    cursor = await connection.execute("SELECT id FROM mindmaps WHERE session_id = %s FOR UPDATE", [session_id])
    row = await cursor.fetchone()
    log = await read_log(connection, row[0]) if row is not None else []
    return await asyncio.to_thread(replay, document, log)


async def append_edits(
    connection: Connection,
    session_id: uuid.UUID,
    entries: Sequence[LogEntry],
    *,
    expected_seq: int | None = None,
    expected_version: int | None = None,
) -> EditOutcome:
    """Append `entries` to the log of the session's map and replay it on the version shown.

    Operations that cannot be applied now are reported and not logged. An operation whose id the log knows is not
    repeated, so a request may be sent twice. Raises NotFound without a map, Conflict when the map moved on meanwhile,
    BadRequest when the log is full.
    """
    mindmap_id, number, generated, shown = await _lock_map(connection, session_id)
    log = await read_log(connection, mindmap_id)
    known = {e.op_id for e in log if not isinstance(e, Undo | Redo)}
    is_repeat = bool(entries) and all(not isinstance(e, Undo | Redo) and e.op_id in known for e in entries)
    if not is_repeat:
        if expected_seq is not None and expected_seq != len(log):
            raise Conflict("the map was edited meanwhile; load it again")
        if expected_version is not None and expected_version != number:
            raise Conflict("there is a new version of the map; load it again")
        if len(log) + len(entries) > MAX_LOG_ENTRIES:
            raise BadRequest(f"a map takes at most {MAX_LOG_ENTRIES} edits")
    grown, refused = await asyncio.to_thread(_extend_log, generated, shown, log, entries)
    edited = await asyncio.to_thread(replay, generated, grown)
    if len(grown) > len(log):
        await _append(connection, mindmap_id, grown, len(log))
        await _save_shown_version(connection, session_id, mindmap_id, number, edited)
    final = {report.op_id: report for report in edited.reports}
    reports = []
    for i, entry in enumerate(entries):
        name = entry.op if isinstance(entry, Undo | Redo) else entry.op_id
        told = refused.get(i) or (None if isinstance(entry, Undo | Redo) else final.get(name))
        reports.append(told or EditReport(name, entry.op, "applied", _SENTENCES.get(entry.op, "Taken back since.")))
    return EditOutcome(number, edited, tuple(reports))


_SENTENCES = {"undo": "The last edit was taken back.", "redo": "The edit is back."}


def _extend_log(
    generated: MindmapDocument, shown: MindmapDocument, log: Sequence[LogEntry], entries: Sequence[LogEntry]
) -> tuple[list[LogEntry], dict[int, EditReport]]:
    """The log with those of `entries` that can be applied; and, by place in `entries`, why the others cannot."""
    grown, refused, at = list(log), {}, shown
    known = {e.op_id for e in log if not isinstance(e, Undo | Redo)}
    for i, entry in enumerate(entries):
        if isinstance(entry, Undo | Redo):
            is_possible = bool(operations_in_effect(grown)) if isinstance(entry, Undo) else _can_redo(grown)
            if not is_possible:
                refused[i] = rejection(entry.op, entry.op, f"nothing_to_{entry.op}")
                continue
            grown.append(entry)
            at = apply_operations(generated, operations_in_effect(grown))[0]
            continue
        if entry.op_id in known:
            continue
        operation: Operation = with_anchors(at, entry.model_copy(update={"anchors": {}}))
        after, (report,) = apply_operations(at, [operation])
        if report.status == "not_applied":
            refused[i] = report
            continue
        grown.append(operation)
        known.add(operation.op_id)
        at = after
    return grown, refused


async def restore_map_version(connection: Connection, session_id: uuid.UUID, number: int) -> EditOutcome:
    """Show version `number` again, as a new version with the edits replayed on it. Repeating it changes nothing.

    The edits stay: they are the user's and have an undo of their own. Raises NotFound when there is no such version.
    """
    mindmap_id, current, _, _ = await _lock_map(connection, session_id)
    cursor = await connection.execute(
        "SELECT coalesce(generated, data), (SELECT max(number) FROM mindmap_versions WHERE mindmap_id = %(map)s),"
        " (SELECT restored_from FROM mindmap_versions WHERE mindmap_id = %(map)s AND number = %(current)s)"
        " FROM mindmap_versions WHERE mindmap_id = %(map)s AND number = %(number)s",
        {"map": mindmap_id, "number": number, "current": current},
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("there is no such version")
    generated, last, restored_from = MindmapDocument.from_json(row[0]), int(row[1]), row[2]
    edited = await asyncio.to_thread(replay, generated, await read_log(connection, mindmap_id))
    if number in (current, restored_from):
        return EditOutcome(current, edited, edited.reports)
    await connection.execute(
        "INSERT INTO mindmap_versions (id, mindmap_id, number, data, input_digest, provider, model, restored_from)"
        " SELECT gen_random_uuid(), mindmap_id, %s, data, input_digest, provider, model, number"
        " FROM mindmap_versions WHERE mindmap_id = %s AND number = %s",
        [last + 1, mindmap_id, number],
    )
    await connection.execute(
        "UPDATE mindmaps SET current_version = %s, updated_at = now() WHERE id = %s", [last + 1, mindmap_id]
    )
    await _save_shown_version(connection, session_id, mindmap_id, last + 1, edited)
    return EditOutcome(last + 1, edited, edited.reports)


async def _lock_map(
    connection: Connection, session_id: uuid.UUID
) -> tuple[uuid.UUID, int, MindmapDocument, MindmapDocument]:
    """The map's id, the number of the version shown, that version as generated, and as shown."""
    await connection.execute("SELECT FROM browsing_sessions WHERE id = %s FOR UPDATE", [session_id])
    cursor = await connection.execute(
        "SELECT m.id, v.number, v.generated, v.data FROM mindmaps m"
        " JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version"
        " WHERE m.session_id = %s FOR UPDATE OF m",
        [session_id],
    )
    row = await cursor.fetchone()
    if row is None:
        raise NotFound("mindmap not found for this session")
    shown = MindmapDocument.from_json(row[3])
    return row[0], int(row[1]), MindmapDocument.from_json(row[2]) if row[2] is not None else shown, shown


async def _append(connection: Connection, mindmap_id: uuid.UUID, log: Sequence[LogEntry], after: int) -> None:
    rows = []
    for seq, entry in enumerate(log[after:], start=after + 1):
        op_id = None if isinstance(entry, Undo | Redo) else entry.op_id
        rows.append((mindmap_id, seq, op_id, Jsonb(entry.model_dump(mode="json"))))
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO mindmap_edits (mindmap_id, seq, op_id, entry) VALUES (%s, %s, %s, %s)", rows
        )


async def _save_shown_version(
    connection: Connection, session_id: uuid.UUID, mindmap_id: uuid.UUID, number: int, edited: EditedDocument
) -> None:
    """Store what the version looks like now, and what the list of sessions and the search say of it."""
    await connection.execute(
        "UPDATE mindmap_versions SET data = %(data)s, generated = %(generated)s, edits_seq = %(edits_seq)s,"
        " edit_reports = %(edit_reports)s, scorecard = %(scorecard)s"
        " WHERE mindmap_id = %(map)s AND number = %(number)s",
        {**edited.columns, "map": mindmap_id, "number": number},
    )
    await connection.execute("UPDATE mindmaps SET updated_at = now() WHERE id = %s", [mindmap_id])
    await connection.execute(
        "UPDATE browsing_sessions SET keywords = %s,"
        " title = CASE WHEN title_source = 'generated' THEN coalesce(nullif(%s, ''), title) ELSE title END"
        " WHERE id = %s",
        [topic_keywords(edited.document), edited.document.title[:200], session_id],
    )
    # The index knows pages by their topics' names.
    await connection.execute("DELETE FROM search_state WHERE session_id = %s", [session_id])


def topic_keywords(document: MindmapDocument) -> list[str]:
    """The names of the topics a reader sees, for the list of sessions."""
    return [node.label for node in document.nodes if node.type == "topic" and not node.data.hidden][:8]
