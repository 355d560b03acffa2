"""The only writer of the status of regeneration runs and of their items.

As in `models.lifecycle.state`, each status has a declared transition table and every change is a compare-and-set
against it. An item that runs belongs to the worker that has claimed it: only its owner ends it, so that a worker that
was given up for dead cannot save a second result.

All functions work in the transaction of the caller's connection and do not commit.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from psycopg.types.json import Jsonb

from models.ai_calls import delete_run_answers
from models.database import Connection
from models.errors import Conflict, NotFound
from models.lifecycle.state import Transition
from models.runs.run_store import SPENT_CLAUSE
from models.runs.run_tables import ItemStatus, RunStatus


class RunAction(enum.StrEnum):
    """What changes the status of a run."""

    PAUSE = "pause"
    RESUME = "resume"
    #: A gate or the budget stops it.
    STOP = "stop"
    CANCEL = "cancel"
    FINISH = "finish"
    #: Process the failed items again.
    RETRY = "retry"
    PROMOTE = "promote"
    ROLL_BACK = "roll back"


class ItemAction(enum.StrEnum):
    """What changes the status of an item."""

    CLAIM = "claim"
    COMPLETE = "complete"
    CONFIRM = "confirm"
    SUPERSEDE = "supersede"
    RETURN = "return"
    FAIL = "fail"
    RETRY = "retry"
    PROMOTE = "promote"
    #: At its promotion the map is found to be changed by its user.
    LEAVE = "leave"
    ROLL_BACK = "roll back"
    #: Its version is deleted, which was never shown.
    DISCARD = "discard"


_ENDED: Final = (RunStatus.STOPPED, RunStatus.CANCELLED, RunStatus.FINISHED)
RUN_TRANSITIONS: Final[Mapping[RunAction, Transition[RunStatus]]] = MappingProxyType(
    {
        RunAction.PAUSE: Transition((RunStatus.RUNNING,), RunStatus.PAUSED),
        # From `running`: its driver has died, and another one continues.
        RunAction.RESUME: Transition((RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.STOPPED), RunStatus.RUNNING),
        RunAction.STOP: Transition((RunStatus.RUNNING,), RunStatus.STOPPED),
        RunAction.CANCEL: Transition((RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.STOPPED), RunStatus.CANCELLED),
        RunAction.FINISH: Transition((RunStatus.RUNNING,), RunStatus.FINISHED),
        RunAction.RETRY: Transition(
            (RunStatus.RUNNING, RunStatus.PAUSED, RunStatus.STOPPED, RunStatus.FINISHED), RunStatus.RUNNING
        ),
        # From `promoted`: first the items that pass the gates, later the others.
        RunAction.PROMOTE: Transition((*_ENDED, RunStatus.PROMOTED, RunStatus.ROLLED_BACK), RunStatus.PROMOTED),
        # From `rolled_back`: an interrupted rollback continues.
        RunAction.ROLL_BACK: Transition((RunStatus.PROMOTED, RunStatus.ROLLED_BACK), RunStatus.ROLLED_BACK),
    }
)
ITEM_TRANSITIONS: Final[Mapping[ItemAction, Transition[ItemStatus]]] = MappingProxyType(
    {
        # From `running`: the lease of its worker has ended.
        ItemAction.CLAIM: Transition((ItemStatus.WAITING, ItemStatus.RUNNING), ItemStatus.RUNNING),
        ItemAction.COMPLETE: Transition((ItemStatus.RUNNING,), ItemStatus.DONE),
        ItemAction.CONFIRM: Transition((ItemStatus.RUNNING,), ItemStatus.UNCHANGED),
        ItemAction.SUPERSEDE: Transition((ItemStatus.RUNNING,), ItemStatus.SUPERSEDED),
        ItemAction.RETURN: Transition((ItemStatus.RUNNING,), ItemStatus.WAITING),
        # From `waiting`: returned when its worker died, after its last attempt.
        ItemAction.FAIL: Transition((ItemStatus.RUNNING, ItemStatus.WAITING), ItemStatus.FAILED),
        ItemAction.RETRY: Transition((ItemStatus.FAILED,), ItemStatus.WAITING),
        ItemAction.PROMOTE: Transition((ItemStatus.DONE, ItemStatus.ROLLED_BACK), ItemStatus.PROMOTED),
        ItemAction.LEAVE: Transition((ItemStatus.DONE, ItemStatus.ROLLED_BACK), ItemStatus.SUPERSEDED),
        ItemAction.ROLL_BACK: Transition((ItemStatus.PROMOTED,), ItemStatus.ROLLED_BACK),
        # From `superseded`: left alone at the promotion. Not from `rolled_back`: the number of a version that users
        # have seen is never given to another one.
        ItemAction.DISCARD: Transition((ItemStatus.DONE, ItemStatus.SUPERSEDED), ItemStatus.SUPERSEDED),
    }
)

#: An item that cannot be made at this attempt is `failed`.
MAX_ATTEMPTS = 3
#: An item whose workers have died this often is `failed` too: perhaps they die because of it. More than the attempts,
#: because a machine that fails again and again meets the items that are in work when it starts again.
MAX_CLAIMS = 10

MOVE_RUN: Final = """
    UPDATE map_runs SET status = %(target)s, reason = %(reason)s::text, updated_at = now(),
        finished_at = CASE WHEN %(target)s = 'running' THEN NULL ELSE coalesce(finished_at, now()) END
    WHERE id = %(run_id)s AND status = ANY(%(sources)s::text[])
"""
READ_RUN_STATUS: Final = "SELECT status FROM map_runs WHERE id = %(run_id)s"

# The row lock of the run is not taken: a pause takes effect with the next claim. Two workers skip each other's rows.
CLAIM_ITEM: Final = """
    UPDATE map_run_items i SET status = %(target)s, attempts = i.attempts + 1, owner = %(owner)s, error = NULL,
        lease_until = now() + make_interval(secs => %(lease_s)s), node = %(node)s
    FROM (
        SELECT c.run_id, c.session_id FROM map_run_items c JOIN map_runs r ON r.id = c.run_id
        WHERE c.run_id = %(run_id)s AND r.status = 'running' AND c.attempts < %(max_claims)s
            AND (r.is_canary_passed OR c.position <= r.num_canary)
            AND (c.status = 'waiting' AND coalesce(c.not_before, now()) <= now()
                OR c.status = 'running' AND c.lease_until < now())
        ORDER BY c.position LIMIT 1 FOR UPDATE OF c SKIP LOCKED
    ) AS next
    WHERE i.run_id = next.run_id AND i.session_id = next.session_id
    RETURNING i.session_id, i.attempts, i.base_version
"""
RENEW_LEASE: Final = """
    UPDATE map_run_items SET lease_until = now() + make_interval(secs => %(lease_s)s)
    WHERE run_id = %(run_id)s AND session_id = %(session_id)s AND status = 'running' AND owner = %(owner)s
"""
END_ITEM: Final = f"""
    UPDATE map_run_items SET status = %(target)s, error = %(error)s::text, owner = NULL, lease_until = NULL,
        finished_at = now(), took_ms = %(took_ms)s::int,
        (tokens, cost_micros) = (SELECT {SPENT_CLAUSE} FROM ai_calls
            WHERE run_id = %(run_id)s AND session_id = %(session_id)s),
        version = coalesce(%(version)s::int, version),
        scorecard_before = coalesce(%(scorecard_before)s::jsonb, scorecard_before),
        scorecard_after = coalesce(%(scorecard_after)s::jsonb, scorecard_after),
        num_edits = coalesce(%(num_edits)s::int, num_edits),
        num_edits_lost_before = coalesce(%(num_edits_lost_before)s::int, num_edits_lost_before),
        num_edits_lost = coalesce(%(num_edits_lost)s::int, num_edits_lost),
        conflicts = coalesce(%(conflicts)s::jsonb, conflicts),
        changes = coalesce(%(changes)s::jsonb, changes),
        num_pages = coalesce(%(num_pages)s::int, num_pages)
    WHERE run_id = %(run_id)s AND session_id = %(session_id)s AND owner = %(owner)s
        AND status = ANY(%(sources)s::text[])
"""
RETURN_ITEM: Final = """
    UPDATE map_run_items SET status = %(target)s, owner = NULL, lease_until = NULL, error = %(error)s::text,
        attempts = attempts - %(refunded_attempts)s::int,
        not_before = now() + make_interval(secs => %(delay_s)s)
    WHERE run_id = %(run_id)s AND session_id = %(session_id)s AND owner = %(owner)s
        AND status = ANY(%(sources)s::text[])
"""
RETURN_ITEMS_OF_OWNER: Final = """
    UPDATE map_run_items SET status = %(target)s, owner = NULL, lease_until = NULL, error = 'interrupted'
    WHERE run_id = %(run_id)s AND owner = %(owner)s AND status = ANY(%(sources)s::text[])
"""
# Each of its workers died, perhaps because of this map.
FAIL_ABANDONED_ITEMS: Final = """
    UPDATE map_run_items SET status = %(target)s, error = coalesce(error, 'interrupted'), owner = NULL,
        lease_until = NULL, finished_at = now()
    WHERE run_id = %(run_id)s AND attempts >= %(max_claims)s AND status = ANY(%(sources)s::text[])
        AND coalesce(lease_until, now()) <= now()
"""
RETRY_FAILED_ITEMS: Final = """
    UPDATE map_run_items SET status = %(target)s, attempts = 0, not_before = NULL, finished_at = NULL
    WHERE run_id = %(run_id)s AND status = ANY(%(sources)s::text[])
"""
MOVE_SAVED_ITEM: Final = """
    UPDATE map_run_items SET status = %(target)s, error = %(error)s::text,
        before_promotion = coalesce(%(before_promotion)s::jsonb, before_promotion)
    WHERE run_id = %(run_id)s AND session_id = %(session_id)s AND status = ANY(%(sources)s::text[])
"""
LOCK_RUN_STATUS: Final = "SELECT status FROM map_runs WHERE id = %(run_id)s FOR UPDATE"
# A part of them, so that no transaction is long. The order of locks is that of a promotion: item, version.
DISCARD_CANDIDATES: Final = """
    WITH chosen AS (
        SELECT session_id, version FROM map_run_items
        WHERE run_id = %(run_id)s AND status = ANY(%(sources)s::text[]) AND version IS NOT NULL
        ORDER BY position LIMIT 200 FOR UPDATE
    ), discarded AS (
        UPDATE map_run_items i SET status = %(target)s, version = NULL, error = 'discarded' FROM chosen c
        WHERE i.run_id = %(run_id)s AND i.session_id = c.session_id RETURNING i.session_id
    ), deleted AS (
        DELETE FROM mindmap_versions v USING chosen c, mindmaps m
        WHERE m.session_id = c.session_id AND v.mindmap_id = m.id AND v.number = c.version AND v.is_candidate
    )
    SELECT count(*) FROM discarded
"""


def _texts(statuses: tuple[enum.StrEnum, ...]) -> list[str]:
    return [str(status) for status in statuses]


def _parameters(transition: Transition[Any]) -> dict[str, Any]:
    return {"sources": _texts(transition.sources), "target": str(transition.target)}


@dataclass(frozen=True, slots=True)
class ClaimedItem:
    """An item that its owner may process until the lease ends."""

    run_id: str
    session_id: uuid.UUID
    owner: uuid.UUID
    attempts: int
    base_version: int | None

    def parameters(self) -> dict[str, Any]:
        """The parameters that find the item while its owner holds it."""
        return {"run_id": self.run_id, "session_id": self.session_id, "owner": self.owner}


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What a processed item reports; None leaves the column as it is."""

    took_ms: int
    version: int | None = None
    scorecard_before: dict[str, Any] | None = None
    scorecard_after: dict[str, Any] | None = None
    num_edits: int | None = None
    num_edits_lost_before: int | None = None
    num_edits_lost: int | None = None
    conflicts: list[dict[str, Any]] | None = None
    changes: dict[str, int] | None = None
    num_pages: int | None = None

    def parameters(self) -> dict[str, Any]:
        """The values as statement parameters."""
        return {
            "took_ms": self.took_ms,
            "version": self.version,
            "scorecard_before": _jsonb(self.scorecard_before),
            "scorecard_after": _jsonb(self.scorecard_after),
            "num_edits": self.num_edits,
            "num_edits_lost_before": self.num_edits_lost_before,
            "num_edits_lost": self.num_edits_lost,
            "conflicts": _jsonb(self.conflicts),
            "changes": _jsonb(self.changes),
            "num_pages": self.num_pages,
        }


def _jsonb(value: Any) -> Jsonb | None:
    return Jsonb(value) if value is not None else None


# --- runs ------------------------------------------------------------------------------------------------------------


async def move_run(connection: Connection, run_id: str, action: RunAction, reason: str | None = None) -> None:
    """Change the status of a run. Raises NotFound, or Conflict when its status does not allow `action`."""
    if await try_move_run(connection, run_id, action, reason):
        return
    row = await (await connection.execute(READ_RUN_STATUS, {"run_id": run_id})).fetchone()
    if row is None:
        raise _no_such_run(run_id)
    allowed = ", ".join(_texts(RUN_TRANSITIONS[action].sources))
    raise Conflict(f"the run “{run_id}” is {row[0]}: {action} is possible when it is {allowed}")


def _no_such_run(run_id: str) -> NotFound:
    return NotFound(f"there is no run “{run_id}”: `trailmind regenerate list` shows the runs")


async def try_move_run(connection: Connection, run_id: str, action: RunAction, reason: str | None = None) -> bool:
    """Change the status of a run if it allows `action`; whether it did."""
    parameters = {"run_id": run_id, "reason": reason, **_parameters(RUN_TRANSITIONS[action])}
    return (await connection.execute(MOVE_RUN, parameters)).rowcount > 0


# --- items -----------------------------------------------------------------------------------------------------------


async def claim_item(
    connection: Connection, run_id: str, owner: uuid.UUID, *, lease_s: float, node: str
) -> ClaimedItem | None:
    """The next item of a running run, claimed for `owner`; None when there is none to do now."""
    cursor = await connection.execute(
        CLAIM_ITEM,
        {
            "run_id": run_id,
            "owner": owner,
            "lease_s": lease_s,
            "node": node,
            "max_claims": MAX_CLAIMS,
            "target": str(ITEM_TRANSITIONS[ItemAction.CLAIM].target),
        },
    )
    row = await cursor.fetchone()
    return ClaimedItem(run_id, row[0], owner, row[1], row[2]) if row is not None else None


async def renew_lease(connection: Connection, item: ClaimedItem, lease_s: float) -> bool:
    """Extend the lease; False when another worker has claimed the item."""
    cursor = await connection.execute(RENEW_LEASE, {**item.parameters(), "lease_s": lease_s})
    return cursor.rowcount > 0


async def end_item(
    connection: Connection, item: ClaimedItem, action: ItemAction, result: ItemResult, error: str | None = None
) -> bool:
    """Store the result of an item; False when its owner has lost it to another worker, which will store its own.

    The cost is the sum of the run's calls for the session, so a repeat never counts a call twice.
    """
    parameters = {**item.parameters(), **result.parameters(), "error": error, **_parameters(ITEM_TRANSITIONS[action])}
    if (await connection.execute(END_ITEM, parameters)).rowcount == 0:
        return False
    await delete_run_answers(connection, item.run_id, item.session_id)
    return True


async def return_item(
    connection: Connection, item: ClaimedItem, error: str | None, *, delay_s: float = 0.0, counts: bool = True
) -> None:
    """Give an item back, to be claimed after `delay_s`; without `counts` the attempt is not counted."""
    await connection.execute(
        RETURN_ITEM,
        {
            **item.parameters(),
            "error": error,
            "delay_s": delay_s,
            "refunded_attempts": 0 if counts else 1,
            **_parameters(ITEM_TRANSITIONS[ItemAction.RETURN]),
        },
    )
    if counts:
        # Perhaps it has failed because of the responses.
        await delete_run_answers(connection, item.run_id, item.session_id)


async def return_items_of_owner(connection: Connection, run_id: str, owner: uuid.UUID) -> int:
    """Return the items of a worker that has died; return how many."""
    transition = ITEM_TRANSITIONS[ItemAction.RETURN]
    parameters = {"run_id": run_id, "owner": owner, **_parameters(transition)}
    return (await connection.execute(RETURN_ITEMS_OF_OWNER, parameters)).rowcount


async def fail_abandoned_items(connection: Connection, run_id: str) -> int:
    """End the items whose workers have died too often; return how many."""
    transition = ITEM_TRANSITIONS[ItemAction.FAIL]
    parameters = {"run_id": run_id, "max_claims": MAX_CLAIMS, **_parameters(transition)}
    return (await connection.execute(FAIL_ABANDONED_ITEMS, parameters)).rowcount


async def retry_failed_items(connection: Connection, run_id: str) -> int:
    """Let the failed items wait again, with all their attempts; return how many."""
    parameters = {"run_id": run_id, **_parameters(ITEM_TRANSITIONS[ItemAction.RETRY])}
    return (await connection.execute(RETRY_FAILED_ITEMS, parameters)).rowcount


async def move_saved_item(
    connection: Connection,
    run_id: str,
    session_id: uuid.UUID,
    action: ItemAction,
    *,
    error: str | None = None,
    before_promotion: dict[str, Any] | None = None,
) -> bool:
    """Change the status of an item whose version is saved; whether its status allowed `action`."""
    cursor = await connection.execute(
        MOVE_SAVED_ITEM,
        {
            "run_id": run_id,
            "session_id": session_id,
            "error": error,
            "before_promotion": _jsonb(before_promotion),
            **_parameters(ITEM_TRANSITIONS[action]),
        },
    )
    return cursor.rowcount > 0


async def discard_candidates(connection: Connection, run_id: str) -> int:
    """Delete some of the versions that a run has saved and never shown; return how many, 0 when none is left.

    Raises NotFound, or Conflict when the run still works.
    """
    row = await (await connection.execute(LOCK_RUN_STATUS, {"run_id": run_id})).fetchone()
    if row is None:
        raise _no_such_run(run_id)
    if row[0] in (RunStatus.RUNNING, RunStatus.PAUSED):
        raise Conflict(f"the run “{run_id}” is {row[0]}: cancel it before its maps are discarded")
    parameters = {"run_id": run_id, **_parameters(ITEM_TRANSITIONS[ItemAction.DISCARD])}
    counted = await (await connection.execute(DISCARD_CANDIDATES, parameters)).fetchone()
    return int(counted[0]) if counted is not None else 0
