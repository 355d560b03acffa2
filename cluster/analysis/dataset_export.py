"""Exports a dataset: the consented sessions, redacted, as Parquet files with a manifest."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from psycopg_pool import AsyncConnectionPool

from cluster.analysis.new_directory import new_directory
from cluster.analysis.redaction import COLUMNS, DatasetSession, has_private_page, redact_session, with_group_size
from models.accounts.audit import insert_audit_entry
from models.analysis.anonymity import ALL, AnonymityFigure, anonymity_figures, group_sizes
from models.analysis.consented_sessions import (
    ConsentedSession,
    list_consented,
    load_consented,
    still_consented,
    use_one_snapshot,
)
from models.analysis.parquet import ParquetWriter
from models.errors import BadRequest
from models.recording.pages import CapturedPage
from models.recording.timeline_store import load_pages

MANIFEST: Final = "manifest.json"
#: Increase it when the columns change.
DATASET_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """What a dataset contains. Sessions whose group has fewer than `min_group` people are left out.

    `hour_width` hours of the day look the same, 24 leaves the hour out. The dataset may be kept for `keep_days` days.
    """

    since: datetime | None = None
    until: datetime | None = None
    session_ids: tuple[uuid.UUID, ...] = ()
    limit: int | None = None
    min_group: int = 1
    hour_width: int = 1
    has_texts: bool = True
    keep_days: int = 90


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dataset is, as its `manifest.json` says. Days are in UTC."""

    version: int
    created_on: date
    delete_on: date
    num_sessions: int
    num_people: int
    num_pages: int
    #: Sessions in groups that are too small, and those whose users have withdrawn or deleted something meanwhile.
    num_suppressed: int
    num_withdrawn: int
    #: Sessions with pages of sites that the default rules exclude.
    num_private: int
    num_secrets: int
    has_texts: bool
    hour_width: int
    min_group: int
    #: By quasi-identifier; of what is in the dataset.
    anonymity: dict[str, AnonymityFigure] = field(default_factory=dict)

    @property
    def k(self) -> int | None:
        """The number of people in the smallest group; None when there is no session."""
        return self.anonymity[ALL].k

    def to_json(self) -> dict[str, Any]:
        """The content of `manifest.json`."""
        return {**asdict(self), "created_on": self.created_on.isoformat(), "delete_on": self.delete_on.isoformat()}


class DatasetExporter:
    """Exports datasets. `on_progress` receives the number of sessions so far, and of all."""

    def __init__(
        self, pool: AsyncConnectionPool[Any], on_progress: Callable[[int, int], None] = lambda _done, _total: None
    ) -> None:
        self._pool, self._on_progress = pool, on_progress

    async def export(self, options: DatasetOptions, destination: Path) -> Manifest:
        """Write the dataset to the new directory `destination`; return its manifest. The audit log records it.

        Raises BadRequest when the directory exists, or for a named session that a dataset may not contain.
        """
        with new_directory(destination) as directory:
            return await self._export(options, directory)

    async def _export(self, options: DatasetOptions, directory: Path) -> Manifest:
        async with self._pool.connection() as connection:
            mindmap_ids = await list_consented(
                connection,
                since=options.since,
                until=options.until,
                session_ids=options.session_ids,
                limit=options.limit,
            )
        _check_named(options.session_ids, mindmap_ids)
        pseudonym = _pseudonyms()
        sessions: dict[uuid.UUID, DatasetSession] = {}
        num_private = 0
        with ParquetWriter(directory, COLUMNS) as writer:
            # The rows stay in this order, which must not tell which session has which name.
            in_order = sorted(mindmap_ids, key=lambda each: pseudonym(f"session {each}"))
            for done, session_id in enumerate(in_order, start=1):
                loaded = await self._load(session_id)
                if loaded is not None and has_private_page(loaded[1]):
                    num_private += 1
                elif loaded is not None:
                    redacted = await asyncio.to_thread(
                        redact_session,
                        *loaded,
                        pseudonym,
                        hour_width=options.hour_width,
                        has_texts=options.has_texts,
                    )
                    # A session whose pages are all left out tells nothing.
                    if redacted.page_rows:
                        # Read again, because a part may have been forgotten since the list was read.
                        mindmap_ids[session_id] = loaded[0].mindmap_id
                        sessions[session_id] = await asyncio.to_thread(_add_content, writer, redacted)
                self._on_progress(done, len(mindmap_ids))
            async with self._pool.connection() as connection:
                still = await still_consented(connection, {each: mindmap_ids[each] for each in sessions})
            kept = [session for session_id, session in sessions.items() if session_id in still]
            sizes = group_sizes([each.identifiers for each in kept], [each.person for each in kept])
            large = [
                with_group_size(session, k) for session, k in zip(kept, sizes, strict=True) if k >= options.min_group
            ]
            await asyncio.to_thread(_write, writer, large)
        manifest = _manifest(options, large, num_kept=len(kept), num_loaded=len(sessions), num_private=num_private)
        (directory / MANIFEST).write_text(json.dumps(manifest.to_json(), indent=2) + "\n", "utf-8")
        # Recorded before it can be read: after a failure there is a record too many, never a dataset without one.
        async with self._pool.connection() as connection:
            await insert_audit_entry(connection, "dataset.exported", manifest.created_on.isoformat(), _facts(manifest))
        return manifest

    async def _load(self, session_id: uuid.UUID) -> tuple[ConsentedSession, list[CapturedPage]] | None:
        """The session and its pages as they are at one moment."""
        async with self._pool.connection() as connection, connection.transaction():
            await use_one_snapshot(connection)
            source = await load_consented(connection, session_id)
            if source is None:
                return None
            _, pages = await load_pages(connection, session_id, source.user_id)
            return source, pages


def _check_named(named: Collection[uuid.UUID], listed: Collection[uuid.UUID]) -> None:
    missing = sorted(str(each) for each in set(named) - set(listed))
    if missing:
        raise BadRequest(
            f"a dataset may not contain the session {missing[0]}: it is deleted, has no map, is local only, or its user"
            " has not agreed to datasets"
        )


def _pseudonyms() -> Callable[[str], str]:
    """Names that are the same within one export. Their key is kept nowhere, so that no one can compute them again."""
    key = secrets.token_bytes(32)
    return lambda name: hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:16]


def _add_content(writer: ParquetWriter, session: DatasetSession) -> DatasetSession:
    """Write the pages and the map, and return the session without them: texts of many sessions do not fit in memory."""
    writer.add("pages", session.page_rows)
    writer.add("maps", [session.map_row])
    return DatasetSession(session.identifiers, session.person, session.session_row, [], {}, session.num_secrets)


def _write(writer: ParquetWriter, sessions: Collection[DatasetSession]) -> None:
    names = [each.session_row["session"] for each in sessions]
    writer.add("sessions", [each.session_row for each in sessions])
    for table in ("pages", "maps"):
        writer.keep(table, "session", names)
    for table in COLUMNS:
        writer.write(table)


def _manifest(
    options: DatasetOptions,
    sessions: Collection[DatasetSession],
    *,
    num_kept: int,
    num_loaded: int,
    num_private: int,
) -> Manifest:
    today = datetime.now(UTC).date()
    people = [each.person for each in sessions]
    return Manifest(
        version=DATASET_VERSION,
        created_on=today,
        delete_on=today + timedelta(days=options.keep_days),
        num_sessions=len(sessions),
        num_people=len(set(people)),
        num_pages=sum(each.session_row["num_pages"] for each in sessions),
        num_suppressed=num_kept - len(sessions),
        num_withdrawn=num_loaded - num_kept,
        num_private=num_private,
        num_secrets=sum(each.num_secrets for each in sessions),
        has_texts=options.has_texts,
        hour_width=options.hour_width,
        min_group=options.min_group,
        anonymity=dict(anonymity_figures([each.identifiers for each in sessions], people)),
    )


def _facts(manifest: Manifest) -> dict[str, Any]:
    """What the audit log keeps: numbers, no names."""
    return {
        "num_sessions": manifest.num_sessions,
        "num_people": manifest.num_people,
        "num_pages": manifest.num_pages,
        "num_suppressed": manifest.num_suppressed,
        "k": manifest.k,
        "min_group": manifest.min_group,
        "has_texts": manifest.has_texts,
        "delete_on": manifest.delete_on.isoformat(),
    }
