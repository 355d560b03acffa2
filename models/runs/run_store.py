"""Creates and reads regeneration runs, and holds their provider calls within the budget.

Functions use the caller's transaction and do not commit.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict

from models.database import Connection
from models.errors import NotFound, TrailmindError
from models.runs.gates import ItemFigures
from models.runs.parameters import RunParameters, Selection
from models.runs.run_tables import RunStatus

# A session without a map has nothing that could be made better. Candidates of other runs are no maps that were shown.
_SELECTED: Final = """
    FROM browsing_sessions s JOIN users u ON u.id = s.user_id JOIN mindmaps m ON m.session_id = s.id
    LEFT JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version
    WHERE s.status IN ('completed', 'failed') AND s.deleted_at IS NULL AND u.status = 'active'
        AND (cardinality(%(emails)s::text[]) = 0 OR lower(u.email) = ANY(%(emails)s::text[]))
        AND (%(plan)s::text IS NULL
            OR (SELECT p.plan FROM plan_of_user(u.id, %(default_plan)s::text, now()) p) = %(plan)s::text)
        AND (%(since)s::timestamptz IS NULL OR s.started_at >= %(since)s::timestamptz)
        AND (%(until)s::timestamptz IS NULL OR s.started_at < %(until)s::timestamptz)
        AND (cardinality(%(session_ids)s::uuid[]) = 0 OR s.id = ANY(%(session_ids)s::uuid[]))
        AND (%(pipeline_version)s::int IS NULL OR coalesce(v.pipeline_version, 0) <= %(pipeline_version)s::int)
        AND (%(provider)s::text IS NULL OR v.provider = %(provider)s::text)
        AND (%(score)s::text IS NULL OR (v.scorecard ->> %(score)s::text)::float < %(score_below)s::float)
"""

COUNT_SELECTED: Final = f"SELECT count(*), count(DISTINCT s.user_id) {_SELECTED}"

# In an order that is the same in every run but follows neither users nor dates: the canary is a fair sample.
SAMPLE_SELECTED: Final = f"""
    SELECT s.id, s.user_id {_SELECTED} ORDER BY md5(s.id::text), s.id LIMIT %(limit)s
"""

UNKNOWN_EMAIL: Final = """
    SELECT named.email FROM unnest(%(emails)s::text[]) AS named (email)
    WHERE NOT EXISTS (SELECT 1 FROM users u WHERE lower(u.email) = lower(named.email))
"""

UNKNOWN_SESSION: Final = """
    SELECT named.id FROM unnest(%(session_ids)s::uuid[]) AS named (id)
    WHERE NOT EXISTS (SELECT 1 FROM browsing_sessions s WHERE s.id = named.id AND s.deleted_at IS NULL)
"""

INSERT_RUN: Final = """
    INSERT INTO map_runs (id, parameters, token_budget, cost_budget_micros)
    VALUES (%(run_id)s, %(parameters)s, %(token_budget)s, %(cost_budget_micros)s) ON CONFLICT (id) DO NOTHING
"""

INSERT_ITEMS: Final = f"""
    INSERT INTO map_run_items (run_id, session_id, position, base_version)
    SELECT %(run_id)s, chosen.id, row_number() OVER (ORDER BY md5(chosen.id::text), chosen.id), chosen.current_version
    FROM (SELECT s.id, m.current_version {_SELECTED} ORDER BY md5(s.id::text), s.id LIMIT %(limit)s) AS chosen
"""

# At least one map, so that a canary of a small run is one.
SET_CANARY: Final = """
    UPDATE map_runs r SET is_canary_passed = %(share)s::float = 0,
        num_canary = CASE WHEN %(share)s::float = 0 THEN 0 ELSE greatest(1, ceil(%(share)s::float * (
            SELECT count(*) FROM map_run_items i WHERE i.run_id = r.id)))::int END
    WHERE r.id = %(run_id)s
"""

END_CANARY: Final = "UPDATE map_runs SET is_canary_passed = true, updated_at = now() WHERE id = %(run_id)s"

SET_BUDGET: Final = """
    UPDATE map_runs SET token_budget = coalesce(%(token_budget)s::bigint, token_budget),
        cost_budget_micros = coalesce(%(cost_budget_micros)s::bigint, cost_budget_micros) WHERE id = %(run_id)s
"""

READ_RUN: Final = """
    SELECT id, status, reason, parameters, token_budget, cost_budget_micros, num_canary, is_canary_passed, created_at,
        finished_at FROM map_runs WHERE id = %(run_id)s
"""

LIST_RUN_IDS: Final = "SELECT id FROM map_runs ORDER BY created_at DESC, id LIMIT %(limit)s OFFSET %(offset)s"

READ_PROGRESS: Final = """
    SELECT count(*) AS total,
        count(*) FILTER (WHERE status = 'waiting') AS waiting,
        count(*) FILTER (WHERE status = 'running') AS running,
        count(*) FILTER (WHERE status = 'done') AS done,
        count(*) FILTER (WHERE status = 'unchanged') AS unchanged,
        count(*) FILTER (WHERE status = 'superseded') AS superseded,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        count(*) FILTER (WHERE status = 'promoted') AS promoted,
        count(*) FILTER (WHERE status = 'rolled_back') AS rolled_back,
        count(*) FILTER (WHERE status IN ('waiting', 'running') AND position <= (
            SELECT num_canary FROM map_runs r WHERE r.id = %(run_id)s)) AS canary_left,
        coalesce(sum(num_edits_lost), 0) AS edits_lost
    FROM map_run_items WHERE run_id = %(run_id)s
"""

# Of the last minute, so that the rate follows the number of workers.
READ_RATE: Final = """
    SELECT count(*), extract(epoch FROM now() - min(finished_at))::float8 FROM map_run_items
    WHERE run_id = %(run_id)s AND finished_at > now() - interval '1 minute'
"""

COUNT_RUNS: Final = "SELECT count(*) FROM map_runs"

LIST_RUNS_WITH_OLD_CANDIDATES: Final = """
    SELECT r.id FROM map_runs r
    WHERE r.finished_at < now() - make_interval(days => %(days)s) AND r.status NOT IN ('running', 'paused')
        AND EXISTS (SELECT FROM map_run_items i WHERE i.run_id = r.id AND i.status IN ('done', 'superseded')
            AND i.version IS NOT NULL)
    ORDER BY r.finished_at, r.id
"""

# The sums of tokens and cost of calls. A call that is on its way, or whose answer never came, counts with what was
# reserved for it: the vendor may charge it.
SPENT_CLAUSE: Final = """
    coalesce(sum(CASE WHEN status IN ('sent', 'lost', 'timeout', 'cancelled') THEN reserved_tokens
        ELSE input_tokens + output_tokens END), 0) AS tokens,
    coalesce(sum(CASE WHEN status IN ('sent', 'lost', 'timeout', 'cancelled') THEN reserved_micros
        ELSE cost_micros END), 0) AS cost_micros
"""
READ_SPENT: Final = f"SELECT {SPENT_CLAUSE} FROM ai_calls WHERE run_id = %(run_id)s"

# Locked before the sum is read, in a statement of its own: a statement that waits for the lock reads the calls as they
# were before it waited.
LOCK_BUDGET: Final = """
    SELECT token_budget, cost_budget_micros FROM map_runs WHERE id = %(run_id)s AND status = 'running' FOR UPDATE
"""

# Results that gates compare. An unchanged map passes all of them.
READ_FIGURES: Final = """
    SELECT status = 'failed', scorecard_before, scorecard_after, cost_micros, num_edits, num_edits_lost_before,
        num_edits_lost
    FROM map_run_items WHERE run_id = %(run_id)s AND status IN ('done', 'unchanged', 'failed', 'promoted')
        AND (NOT %(only_canary)s::boolean OR position <= (SELECT num_canary FROM map_runs r WHERE r.id = %(run_id)s))
"""

LIST_ITEMS: Final = """
    SELECT session_id, status, attempts, error, base_version, version, tokens, cost_micros, scorecard_before,
        scorecard_after, num_edits, num_edits_lost_before, num_edits_lost, conflicts, changes, num_pages, took_ms, node,
        position, finished_at
    FROM map_run_items WHERE run_id = %(run_id)s AND (%(status)s::text IS NULL OR status = %(status)s::text)
        AND position > %(after)s
    ORDER BY position LIMIT %(limit)s
"""

READ_SAVED_ITEM: Final = """
    SELECT base_version, version, before_promotion FROM map_run_items
    WHERE run_id = %(run_id)s AND session_id = %(session_id)s AND version IS NOT NULL FOR UPDATE
"""

# How long maps took in runs before, in milliseconds per page and per map.
READ_PAST_SPEED: Final = """
    SELECT avg(took_ms::float / greatest(num_pages, 1)), count(*) FROM (
        SELECT took_ms, num_pages FROM map_run_items WHERE took_ms IS NOT NULL AND num_pages > 0
        ORDER BY finished_at DESC LIMIT 500
    ) AS latest
"""


#: How the reason of a run begins that its budget has stopped.
BUDGET_STOP = "the next call could exceed"


class RunBudgetSpent(TrailmindError):
    """The next call of a run could exceed its budget, or the run does not run any more."""

    def __init__(self, run_id: str, what: str) -> None:
        super().__init__(run_id, what)
        self.run_id, self.what = run_id, what

    def __str__(self) -> str:
        return f"{BUDGET_STOP} the {self.what} of the run “{self.run_id}”"


@dataclass(frozen=True, slots=True)
class Run:
    """A run as stored."""

    id: str
    status: str
    reason: str | None
    parameters: RunParameters
    token_budget: int | None
    cost_budget_micros: int | None
    num_canary: int
    is_canary_passed: bool
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_stopped_by_budget(self) -> bool:
        """Whether the budget has stopped it, and not a gate."""
        return self.status == RunStatus.STOPPED and (self.reason or "").startswith(BUDGET_STOP)


class RunCounts(BaseModel):
    """The numbers of items by status, and what the calls have taken (calls without an answer at their reservation)."""

    model_config = ConfigDict(frozen=True)

    total: int
    waiting: int
    running: int
    done: int
    unchanged: int
    superseded: int
    failed: int
    promoted: int
    rolled_back: int
    edits_lost: int
    tokens: int
    cost_micros: int


class RunProgress(RunCounts):
    """The counts of a run, and how many items of its canary are not processed yet."""

    canary_left: int

    @property
    def processed(self) -> int:
        """Items that need no more work."""
        return self.total - self.waiting - self.running


async def check_selection(connection: Connection, selection: Selection) -> None:
    """Raise NotFound when `selection` names an account or a session that does not exist.

    A typing error would otherwise look like a run with nothing to do.
    """
    cursor = await connection.execute(UNKNOWN_EMAIL, {"emails": list(selection.emails)})
    if (row := await cursor.fetchone()) is not None:
        raise NotFound(f"there is no account with the address {row[0]}")
    cursor = await connection.execute(UNKNOWN_SESSION, {"session_ids": list(selection.session_ids)})
    if (row := await cursor.fetchone()) is not None:
        raise NotFound(f"there is no session {row[0]}")


async def count_selected(connection: Connection, selection: Selection, default_plan: str) -> tuple[int, int]:
    """How many sessions a run over `selection` takes, and of how many users."""
    cursor = await connection.execute(COUNT_SELECTED, {**selection.parameters(), "default_plan": default_plan})
    row = await cursor.fetchone()
    assert row is not None
    num_sessions = int(row[0]) if selection.limit is None else min(int(row[0]), selection.limit)
    return num_sessions, int(row[1])


async def sample_selected(
    connection: Connection, selection: Selection, default_plan: str, limit: int
) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Up to `limit` selected sessions with their users, in the order of a run."""
    parameters = {**selection.parameters(), "default_plan": default_plan, "limit": limit}
    return await (await connection.execute(SAMPLE_SELECTED, parameters)).fetchall()


async def insert_run(
    connection: Connection,
    run_id: str,
    parameters: RunParameters,
    default_plan: str,
    *,
    token_budget: int | None,
    cost_budget_micros: int | None,
) -> bool:
    """Create the run and its items; False, without any change, when a run of this name exists."""
    cursor = await connection.execute(
        INSERT_RUN,
        {
            "run_id": run_id,
            "parameters": Jsonb(parameters.to_json()),
            "token_budget": token_budget,
            "cost_budget_micros": cost_budget_micros,
        },
    )
    if cursor.rowcount == 0:
        return False
    await connection.execute(
        INSERT_ITEMS, {**parameters.selection.parameters(), "default_plan": default_plan, "run_id": run_id}
    )
    await connection.execute(SET_CANARY, {"run_id": run_id, "share": parameters.canary})
    return True


async def load_run(connection: Connection, run_id: str) -> Run:
    """The run. Raises NotFound."""
    row = await (await connection.execute(READ_RUN, {"run_id": run_id})).fetchone()
    if row is None:
        raise NotFound(f"there is no run “{run_id}”: `trailmind regenerate list` shows the runs")
    name, status, reason, parameters, *others = row
    return Run(name, status, reason, RunParameters.model_validate(parameters), *others)


async def list_run_ids(connection: Connection, limit: int, offset: int = 0) -> list[str]:
    """The names of the runs, newest first."""
    cursor = await connection.execute(LIST_RUN_IDS, {"limit": limit, "offset": offset})
    return [row[0] for row in await cursor.fetchall()]


async def load_progress(connection: Connection, run_id: str) -> RunProgress:
    """The progress of the run."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        counts = await (await cursor.execute(READ_PROGRESS, {"run_id": run_id})).fetchone()
        spent = await (await cursor.execute(READ_SPENT, {"run_id": run_id})).fetchone()
    assert counts is not None
    assert spent is not None
    return RunProgress(**counts, **spent)


async def load_rate(connection: Connection, run_id: str) -> float | None:
    """Maps per second in the last minute; None with fewer than two."""
    row = await (await connection.execute(READ_RATE, {"run_id": run_id})).fetchone()
    return row[0] / row[1] if row is not None and row[0] >= 2 and row[1] else None


async def count_runs(connection: Connection) -> int:
    """The number of all runs."""
    row = await (await connection.execute(COUNT_RUNS)).fetchone()
    return int(row[0]) if row is not None else 0


async def list_runs_with_old_candidates(connection: Connection, days: int) -> list[str]:
    """The names of the runs that ended more than `days` ago and have versions that were never shown."""
    cursor = await connection.execute(LIST_RUNS_WITH_OLD_CANDIDATES, {"days": days})
    return [row[0] for row in await cursor.fetchall()]


async def end_canary(connection: Connection, run_id: str) -> None:
    """Let the items after the canary be claimed."""
    await connection.execute(END_CANARY, {"run_id": run_id})


async def set_budget(
    connection: Connection, run_id: str, token_budget: int | None, cost_budget_micros: int | None
) -> None:
    """Change the budgets that are given; the others stay."""
    await connection.execute(
        SET_BUDGET, {"run_id": run_id, "token_budget": token_budget, "cost_budget_micros": cost_budget_micros}
    )


async def check_budget(connection: Connection, run_id: str, tokens: int, cost_micros: int) -> None:
    """Raise RunBudgetSpent unless a call of at most `tokens` and `cost_micros` fits the budget.

    Locks the run until the caller has recorded the call and committed, so that two calls cannot both take the last
    tokens.
    """
    row = await (await connection.execute(LOCK_BUDGET, {"run_id": run_id})).fetchone()
    if row is None:
        raise RunBudgetSpent(run_id, "time")
    token_budget, cost_budget_micros = row
    spent = await (await connection.execute(READ_SPENT, {"run_id": run_id})).fetchone()
    assert spent is not None
    if token_budget is not None and spent[0] + tokens > token_budget:
        raise RunBudgetSpent(run_id, "token budget")
    if cost_budget_micros is not None and spent[1] + cost_micros > cost_budget_micros:
        raise RunBudgetSpent(run_id, "cost budget")


async def load_figures(connection: Connection, run_id: str, *, only_canary: bool) -> list[ItemFigures]:
    """The figures of the processed items that gates compare."""
    cursor = await connection.execute(READ_FIGURES, {"run_id": run_id, "only_canary": only_canary})
    return [ItemFigures(*row) for row in await cursor.fetchall()]


async def list_items(
    connection: Connection, run_id: str, *, status: str | None = None, after: int = 0, limit: int = 1000
) -> list[dict[str, Any]]:
    """Up to `limit` items with a position after `after`, by position."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LIST_ITEMS, {"run_id": run_id, "status": status, "after": after, "limit": limit})
        return await cursor.fetchall()


def figures_of(item: dict[str, Any]) -> ItemFigures:
    """The figures of an item of `list_items`."""
    return ItemFigures(
        is_failed=item["status"] == "failed",
        scorecard_before=item["scorecard_before"],
        scorecard_after=item["scorecard_after"],
        cost_micros=item["cost_micros"],
        num_edits=item["num_edits"],
        num_edits_lost_before=item["num_edits_lost_before"],
        num_edits_lost=item["num_edits_lost"],
    )


@dataclass(frozen=True, slots=True)
class SavedItem:
    """An item whose version is saved; `before_promotion` is what its promotion has replaced."""

    base_version: int | None
    version: int
    before_promotion: dict[str, Any] | None


async def lock_saved_item(connection: Connection, run_id: str, session_id: uuid.UUID) -> SavedItem | None:
    """Lock an item; None without a saved version."""
    cursor = await connection.execute(READ_SAVED_ITEM, {"run_id": run_id, "session_id": session_id})
    row = await cursor.fetchone()
    return SavedItem(*row) if row is not None else None


async def load_past_speed(connection: Connection) -> tuple[float | None, int]:
    """Milliseconds per page in the last results of all runs, and how many results these are."""
    row = await (await connection.execute(READ_PAST_SPEED)).fetchone()
    assert row is not None
    return row[0], int(row[1])
