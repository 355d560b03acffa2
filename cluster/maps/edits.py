"""The edits of a map: append to the log, replay it on a version, undo, redo, restore a version.

The log is append-only and belongs to the map, not to a version (event sourcing). The version shown is a generated
document with the whole log replayed on it, so a new version keeps the edits; its reports list those that it cannot
keep. Functions use the caller's transaction; they lock the session before its map.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from cluster.mindmap.document.edit_layout import apply_edits
from models.database import Connection
from models.errors import BadRequest, Conflict, NotFound
from models.lifecycle.state import settle_map
from models.mindmap.document import MindmapDocument
from models.mindmap.edit_log_store import append_edit_log, read_edit_log
from models.mindmap.edits import EditReport, apply_operations, rejection, with_anchors
from models.mindmap.operations import LogEntry, Operation, Redo, Undo, operations_in_effect
from models.mindmap.validation import validate_document
from models.mindmap.version_store import (
    LockedVersion,
    VersionContent,
    insert_restored_version,
    load_version_to_restore,
    lock_map,
    lock_shown_version,
    update_shown_version,
)
from models.recording.pages import CapturedPage

#: The largest number of entries in the log of one map; the time of a replay is linear in it.
MAX_LOG_ENTRIES = 2_000


@dataclass(frozen=True, slots=True)
class EditedDocument:
    """A generated document with the log replayed. `generated` is None when no edit is in effect.

    `seq` is the number of log entries replayed; `reports` has one entry for each operation in effect.
    """

    document: MindmapDocument
    generated: MindmapDocument | None
    seq: int
    reports: tuple[EditReport, ...]

    @property
    def content(self) -> VersionContent:
        """The values to store for the version."""
        return VersionContent(
            data=self.document.to_json(),
            generated=self.generated.to_json() if self.generated is not None else None,
            edits_seq=self.seq,
            edit_reports=[asdict(report) for report in self.reports],
            scorecard=self.document.scorecard.model_dump(mode="json", by_alias=True),
        )


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """The result of an edit request: the version it applies to, and a report for each operation of the request."""

    version: int
    edited: EditedDocument
    reports: tuple[EditReport, ...]


@dataclass(frozen=True, slots=True)
class LogState:
    """The length of the log, how many of its operations are in effect, and whether a redo is possible."""

    seq: int
    num_in_effect: int
    can_redo: bool


def log_state(log: Sequence[LogEntry]) -> LogState:
    """The state of a log."""
    return LogState(len(log), len(operations_in_effect(log)), _can_redo(log))


def _can_redo(log: Sequence[LogEntry]) -> bool:
    return len(operations_in_effect([*log, Redo()])) > len(operations_in_effect(log))


def replay(generated: MindmapDocument, log: Sequence[LogEntry]) -> EditedDocument:
    """`generated` with `log` replayed. A pure function; it may take seconds for a large map, so call it in a thread.

    If the result is not a valid document (no known edit causes this), the document stays as generated and every
    operation is reported as not applied.
    """
    operations = operations_in_effect(log)
    document, reports = apply_edits(generated, operations)
    if operations and validate_document(document, cited_pages(generated)):
        return EditedDocument(
            generated, None, len(log), tuple(rejection(o.op_id, o.op, "does_not_fit") for o in operations)
        )
    return EditedDocument(document, generated if operations else None, len(log), tuple(reports))


def cited_pages(document: MindmapDocument) -> list[CapturedPage]:
    """The captured pages, reconstructed from the evidence in a validated document.

    An edit adds no evidence, so an edited document may cite only what the generated one cites. The page texts need
    not be loaded, and may be erased already.
    """
    quotes: dict[str, dict[str, list[str]]] = {}
    visits: dict[str, set[int]] = {}
    for node in document.nodes:
        for quote in node.data.evidence:
            quotes.setdefault(quote.page_id, {}).setdefault(quote.field, []).append(quote.quote)
            visits.setdefault(quote.page_id, set()).update(quote.visited_at_ms)
    page_ids = [node.data.page_id for node in document.nodes if node.data.page_id]
    page_ids += [excluded.page_id for excluded in document.excluded_pages]
    return [
        CapturedPage(
            page_id=page,
            url=" ".join(quotes.get(page, {}).get("url", [])),
            title=" ".join(quotes.get(page, {}).get("title", [])),
            text="\n".join(quotes.get(page, {}).get("text", [])),
            highlights=tuple(quotes.get(page, {}).get("highlight", [])),
            visited_at_ms=tuple(sorted(visits.get(page, ()))),
        )
        for page in dict.fromkeys(page_ids)
    ]


async def replay_saved_edits(
    connection: Connection, session_id: uuid.UUID, document: MindmapDocument
) -> EditedDocument:
    """A newly generated document with the saved edits of the session's map replayed on it. Locks the map's row."""
    locked = await lock_map(connection, session_id)
    log = await read_edit_log(connection, locked[0]) if locked is not None else []
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

    Operations that cannot be applied are reported and not logged. An operation whose id is in the log already is not
    repeated, so a request may be sent twice. Raises NotFound when the session has no version, Conflict when the map
    has another length of log or another version than expected, BadRequest when the log is full.
    """
    version, generated, shown = await _lock_version(connection, session_id)
    log = await read_edit_log(connection, version.mindmap_id)
    check_expectations(log, entries, version.number, expected_seq, expected_version)
    extension = await asyncio.to_thread(extend_log, generated, shown, log, entries)
    if extension.added:
        await append_edit_log(connection, version.mindmap_id, extension.added, num_before=len(log))
        await _save_shown_version(connection, session_id, version.mindmap_id, version.number, extension.edited)
    return EditOutcome(version.number, extension.edited, extension.reports)


def _logged_ids(log: Iterable[LogEntry]) -> set[str]:
    return {entry.op_id for entry in log if entry.op_id is not None}


def check_expectations(
    log: Sequence[LogEntry],
    entries: Sequence[LogEntry],
    version: int,
    expected_seq: int | None,
    expected_version: int | None,
) -> None:
    """Raise Conflict when the map is not the one the client shows, BadRequest when the log is full.

    A request whose operations and steps are all in the log is a repeat, and passes.
    """
    logged_ids = _logged_ids(log)
    if entries and all(entry.op_id in logged_ids for entry in entries):
        return
    if expected_seq is not None and expected_seq != len(log):
        raise Conflict("the map was edited meanwhile; load it again")
    if expected_version is not None and expected_version != version:
        raise Conflict("there is a new version of the map; load it again")
    if len(log) + len(entries) > MAX_LOG_ENTRIES:
        raise BadRequest(f"a map takes at most {MAX_LOG_ENTRIES} edits")


@dataclass(frozen=True, slots=True)
class LogExtension:
    """The entries that a request adds to the log, the document after them, and a report for each of the request."""

    added: list[LogEntry]
    edited: EditedDocument
    reports: tuple[EditReport, ...]


def extend_log(
    generated: MindmapDocument, shown: MindmapDocument, log: Sequence[LogEntry], entries: Sequence[LogEntry]
) -> LogExtension:
    """Apply `entries` after `log`. A pure function; it may take seconds for a large map, so call it in a thread."""
    extended, rejections = _extend_log(generated, shown, log, entries)
    edited = replay(generated, extended)
    return LogExtension(extended[len(log) :], edited, _request_reports(entries, edited, rejections))


_UNREPLAYED_SENTENCES = {"undo": "The last edit was undone.", "redo": "The edit is back."}


def _request_reports(
    entries: Sequence[LogEntry], edited: EditedDocument, rejections: dict[int, EditReport]
) -> tuple[EditReport, ...]:
    """A report for each entry of a request: its rejection, or what the replay reports, or that it was logged."""
    replayed = {report.op_id: report for report in edited.reports}
    reports = []
    for i, entry in enumerate(entries):
        is_step = isinstance(entry, Undo | Redo)
        name = entry.op if isinstance(entry, Undo | Redo) else entry.op_id
        report = rejections.get(i) or (None if is_step else replayed.get(name))
        sentence = _UNREPLAYED_SENTENCES.get(entry.op, "Undone since.")
        reports.append(report or EditReport(name, entry.op, "applied", sentence))
    return tuple(reports)


def _extend_log(
    generated: MindmapDocument, shown: MindmapDocument, log: Sequence[LogEntry], entries: Sequence[LogEntry]
) -> tuple[list[LogEntry], dict[int, EditReport]]:
    """The log with those of `entries` that can be applied, and the rejections of the others by index in `entries`."""
    extended, rejections, document = list(log), {}, shown
    logged_ids = _logged_ids(log)
    for i, entry in enumerate(entries):
        if entry.op_id in logged_ids:
            continue
        if isinstance(entry, Undo | Redo):
            is_possible = bool(operations_in_effect(extended)) if isinstance(entry, Undo) else _can_redo(extended)
            if not is_possible:
                rejections[i] = rejection(entry.op, entry.op, f"nothing_to_{entry.op}")
                continue
            extended.append(entry)
            logged_ids |= _logged_ids([entry])
            document = apply_operations(generated, operations_in_effect(extended))[0]
            continue
        operation: Operation = with_anchors(document, entry.model_copy(update={"anchors": {}}))
        document_after, (report,) = apply_operations(document, [operation])
        if report.status == "not_applied":
            rejections[i] = report
            continue
        extended.append(operation)
        logged_ids.add(operation.op_id)
        document = document_after
    return extended, rejections


async def restore_map_version(connection: Connection, session_id: uuid.UUID, number: int) -> EditOutcome:
    """Show version `number` again, as a new version with the edits replayed on it. Repeating it changes nothing.

    The edits stay in effect; they have an undo of their own. The failure of the last generation is settled: the user
    has chosen what to see. Raises NotFound when there is no such version.
    """
    current, _, _ = await _lock_version(connection, session_id)
    source = await load_version_to_restore(connection, current.mindmap_id, number, current.number)
    if source is None:
        raise NotFound("there is no such version")
    generated, restored_from = MindmapDocument.from_json(source[0]), source[1]
    edited = await asyncio.to_thread(replay, generated, await read_edit_log(connection, current.mindmap_id))
    await settle_map(connection, session_id)
    if number in (current.number, restored_from):
        return EditOutcome(current.number, edited, edited.reports)
    new_number = await insert_restored_version(connection, current.mindmap_id, number)
    await _save_shown_version(connection, session_id, current.mindmap_id, new_number, edited)
    return EditOutcome(new_number, edited, edited.reports)


async def _lock_version(
    connection: Connection, session_id: uuid.UUID
) -> tuple[LockedVersion, MindmapDocument, MindmapDocument]:
    """The version shown, with its document as generated and as shown; the session and the map are locked."""
    version = await lock_shown_version(connection, session_id)
    if version is None:
        raise NotFound("mindmap not found for this session")
    return version, MindmapDocument.from_json(version.generated), MindmapDocument.from_json(version.shown)


async def _save_shown_version(
    connection: Connection, session_id: uuid.UUID, mindmap_id: uuid.UUID, number: int, edited: EditedDocument
) -> None:
    await update_shown_version(
        connection,
        session_id,
        mindmap_id,
        number,
        edited.content,
        title=edited.document.title,
        summary=edited.document.summary,
        keywords=edited.document.topic_keywords(),
    )
