"""Shows the maps that a run has made, and takes them back.

Each map is a transaction of its own, so that both may be interrupted and repeated. A map that its user has changed
meanwhile is left alone: their choice is newer than the run.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from cluster.maps.edits import replay
from cluster.maps.notifications import notify
from models.database import Connection
from models.lifecycle.run_state import ItemAction, RunAction, move_run, move_saved_item
from models.lifecycle.state import complete_map, settle_map
from models.mindmap.document import MindmapDocument
from models.mindmap.edit_log_store import read_edit_log
from models.mindmap.version_store import (
    ShownState,
    describe_session,
    load_shown_state,
    lock_map,
    lock_session,
    lock_version,
    reindex_session,
    restore_shown_state,
    set_candidate,
    set_current_version,
    update_version_content,
)
from models.recording.timeline_store import load_timeline, refresh_timeline
from models.runs.gates import passes_gates
from models.runs.run_store import figures_of, list_items, load_run, lock_saved_item
from models.runs.run_tables import ItemStatus

_PAGE = 200
#: `gate` promotes the maps that pass the gates of the run one by one, `all` every map.
Choice = Literal["gate", "all"]
Outcome = Literal["promoted", "rolled_back", "left", "held_back"]


class Promoter:
    """Promotes and rolls back runs. `on_progress` receives the number of maps so far."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Any],
        valkey: Redis,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._pool, self._valkey, self._on_progress = pool, valkey, on_progress

    async def promote(self, run_id: str, choice: Choice) -> Counter[Outcome]:
        """Show the saved maps of a run; return the number of maps by outcome. Safe to repeat.

        Raises NotFound, or Conflict when the run still works.
        """
        async with self._pool.connection() as connection:
            gates = (await load_run(connection, run_id)).parameters.gates
            await move_run(connection, run_id, RunAction.PROMOTE)
        outcomes: Counter[Outcome] = Counter()
        for item in await self._items(run_id, ItemStatus.DONE, ItemStatus.ROLLED_BACK):
            if choice == "gate" and not passes_gates(gates, figures_of(item)):
                outcomes["held_back"] += 1
            else:
                outcomes[await self._change(run_id, item["session_id"], self._promote)] += 1
            self._on_progress(outcomes.total())
        return outcomes

    async def roll_back(self, run_id: str) -> Counter[Outcome]:
        """Show the maps again that were shown before the promotion; return the number of maps by outcome.

        Safe to repeat. Raises NotFound, or Conflict when the run is not promoted.
        """
        async with self._pool.connection() as connection:
            await move_run(connection, run_id, RunAction.ROLL_BACK)
        outcomes: Counter[Outcome] = Counter()
        for item in await self._items(run_id, ItemStatus.PROMOTED):
            outcomes[await self._change(run_id, item["session_id"], self._roll_back)] += 1
            self._on_progress(outcomes.total())
        return outcomes

    async def _items(self, run_id: str, *statuses: ItemStatus) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        async with self._pool.connection() as connection:
            for status in statuses:
                after = 0
                while page := await list_items(connection, run_id, status=status, after=after, limit=_PAGE):
                    items += page
                    after = page[-1]["position"]
        return items

    async def _change(self, run_id: str, session_id: uuid.UUID, change: Any) -> Outcome:
        async with self._pool.connection() as connection, connection.transaction():
            outcome, number = await change(connection, run_id, session_id)
        if number is not None:
            event = {"status": "completed", "percent": 100, "version": number}
            await notify(self._valkey, session_id, "mindmap", event)
        result: Outcome = outcome
        return result

    async def _promote(self, connection: Connection, run_id: str, session_id: uuid.UUID) -> tuple[Outcome, int | None]:
        async def leave(why: str) -> tuple[Outcome, None]:
            await move_saved_item(connection, run_id, session_id, ItemAction.LEAVE, error=why)
            return "left", None

        # The order of locks of every transaction: session, map, item.
        if not await lock_session(connection, session_id):
            return await leave("the session is deleted")
        locked = await lock_map(connection, session_id)
        item = await lock_saved_item(connection, run_id, session_id)
        if item is None:
            return "left", None
        base_version, number = item.base_version, item.version
        version = await lock_version(connection, locked[0], number) if locked is not None else None
        if locked is None or version is None:
            return await leave("the map of the run is gone: a part of the session was forgotten")
        if locked[1] != base_version:
            return await leave("the user has another version now")
        document = await _with_newest_edits(connection, locked[0], number, version.generated, version.edits_seq)
        shown = document or MindmapDocument.from_json(version.shown)
        before = await load_shown_state(connection, session_id)
        is_moved = await move_saved_item(
            connection, run_id, session_id, ItemAction.PROMOTE, before_promotion=asdict(before)
        )
        if not is_moved:
            return "left", None
        await set_candidate(connection, locked[0], number, False)
        await set_current_version(connection, locked[0], number)
        await refresh_timeline(connection, session_id, await load_timeline(connection, session_id))
        await describe_session(
            connection, session_id, title=shown.title, summary=shown.summary, keywords=shown.topic_keywords()
        )
        await reindex_session(connection, session_id)
        if base_version is None:
            await complete_map(connection, session_id)
        else:
            await settle_map(connection, session_id)
        return "promoted", number

    async def _roll_back(
        self, connection: Connection, run_id: str, session_id: uuid.UUID
    ) -> tuple[Outcome, int | None]:
        if not await lock_session(connection, session_id):
            return "left", None
        locked = await lock_map(connection, session_id)
        item = await lock_saved_item(connection, run_id, session_id)
        if locked is None or item is None or item.before_promotion is None:
            return "left", None
        base_version, number = item.base_version, item.version
        base = await lock_version(connection, locked[0], base_version) if base_version is not None else None
        # Without a version before, the session would have no map again. A user who has another version now has chosen.
        if base is None or base_version is None or locked[1] != number:
            return "left", None
        if not await move_saved_item(connection, run_id, session_id, ItemAction.ROLL_BACK):
            return "left", None
        await restore_shown_state(connection, session_id, locked[0], base_version, ShownState(**item.before_promotion))
        # Edits made since the promotion stay; without any, the version stays as it is, byte for byte.
        edited = await _with_newest_edits(connection, locked[0], base_version, base.generated, base.edits_seq)
        if edited is not None:
            await describe_session(
                connection, session_id, title=edited.title, summary=edited.summary, keywords=edited.topic_keywords()
            )
        await set_candidate(connection, locked[0], number, True)
        return "rolled_back", base_version


async def _with_newest_edits(
    connection: Connection, mindmap_id: uuid.UUID, number: int, generated: dict[str, Any], edits_seq: int
) -> MindmapDocument | None:
    """Replay on a version the edits that were made after it; the new document, or None when there are none."""
    edits = await read_edit_log(connection, mindmap_id)
    if len(edits) == edits_seq:
        return None
    edited = await asyncio.to_thread(replay, MindmapDocument.from_json(generated), edits)
    await update_version_content(connection, mindmap_id, number, edited.content)
    return edited.document
