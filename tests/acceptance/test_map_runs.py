"""Regeneration runs: candidates, promotion and rollback, canary and gates, budgets, crashes, the user first."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr

from cluster.maps.loader import PIPELINE_VERSION, load_map_input
from cluster.providers.calling.call_context import CallContextConfig
from cluster.providers.configuration import provider_endpoints
from cluster.providers.prompting.prompts import PROMPT_VERSION
from cluster.runs import item as run_item
from cluster.runs.driver import RunState
from cluster.runs.operation import RunOperator, discard_run
from cluster.runs.planning import Budget, RunPlanner, check_budget
from cluster.runs.promotion import Promoter
from cluster.runs.worker import work
from cluster.settings import Settings, with_changes
from models.errors import BadRequest, Conflict, JobFailed, NotFound
from models.lifecycle.run_state import (
    MAX_CLAIMS,
    RunAction,
    claim_item,
    move_run,
    retry_failed_items,
    return_items_of_owner,
)
from models.runs.parameters import Gates, RunParameters, ScoreBelow, Selection
from models.runs.run_store import list_items, load_progress
from tests.acceptance.test_map_collections import session_about
from tests.acceptance.test_map_edits import change, get, topics
from tests.support.client import ApiUser
from tests.support.killed_worker import run_worker_killed_at
from tests.support.model_server import ModelServer, model_server, sensible
from tests.support.provider_tasks import InlineProviderTasks
from tests.support.run_workers import InlineWorkers, run_driver
from tests.support.worker import InProcessWorker

Db = psycopg.AsyncConnection[Any]
#: Other topics than the default ones, so that every map changes.
OTHER = {"max_topics": 1.0}
#: All pages are one topic, whatever they are about.
BAD = {"max_topics": 1.0}
NO_GATES = Gates(max_score_drop=None, max_failures=None, max_edits_lost=None)


def run_of(*sessions: str, **changes: Any) -> RunParameters:
    """The parameters of a run over these sessions, with the local provider."""
    values: dict[str, Any] = {
        "selection": Selection(session_ids=tuple(uuid.UUID(session) for session in sessions)),
        "provider": "local",
        "prompt_version": PROMPT_VERSION,
        "pipeline_version": PIPELINE_VERSION,
        "options": OTHER,
        "gates": NO_GATES,
        **changes,
    }
    return RunParameters(**values)


@pytest.fixture
async def planner(settings: Settings) -> AsyncIterator[RunPlanner]:
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        yield RunPlanner(settings, pool)


@pytest.fixture
async def promoter(settings: Settings) -> AsyncIterator[Promoter]:
    async with run_driver(settings) as (_, found):
        yield found


def new_id() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


async def start(
    planner: RunPlanner, settings: Settings, parameters: RunParameters, budget: Budget = Budget(), **workers: Any
) -> RunState:
    """Create a run and drive it to its end."""
    run_id = new_id()
    assert await planner.create(run_id, parameters, budget)
    async with run_driver(settings, InlineWorkers(settings, **workers)) as (driver, _):
        return await driver.drive(run_id)


async def shown_bytes(db: Db, sessions: list[str]) -> list[tuple[Any, ...]]:
    """What is shown of each session, as stored."""
    cursor = await db.execute(
        "SELECT s.id::text, m.current_version, m.offered_version, v.data::text, v.edit_reports::text, s.title,"
        " s.title_source, s.summary, s.keywords FROM browsing_sessions s JOIN mindmaps m ON m.session_id = s.id"
        " JOIN mindmap_versions v ON v.mindmap_id = m.id AND v.number = m.current_version"
        " WHERE s.id = ANY(%s) ORDER BY s.id",
        [[uuid.UUID(session) for session in sessions]],
    )
    return await cursor.fetchall()


async def versions(person: ApiUser, session: str) -> list[int]:
    listed = await person.ok("GET", f"/v1/sessions/{session}/mindmap/versions")
    return [version["number"] for version in listed["versions"]]


async def statuses(db: Db, run_id: str) -> dict[str, tuple[str, str | None]]:
    return {str(row["session_id"]): (row["status"], row["error"]) for row in await list_items(db, run_id)}


async def test_results_are_shown_by_promotion_and_hidden_by_rollback(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, promoter: Promoter, settings: Settings
) -> None:
    sessions = [await session_about(ann, worker, "bread", "chess", "tides", part=part) for part in range(3)]
    before, replies = await shown_bytes(db, sessions), [await get(ann, session) for session in sessions]
    state = await start(planner, settings, run_of(*sessions))
    assert (state.run.status, state.progress.done, state.progress.processed) == ("finished", 3, 3)
    assert await shown_bytes(db, sessions) == before, "nothing is shown before the promotion"
    assert [await get(ann, session) for session in sessions] == replies
    assert [await versions(ann, session) for session in sessions] == [[1]] * 3
    for path in ("2", "2/diff", "1/diff/2"):
        answer = await ann.call("GET", f"/v1/sessions/{sessions[0]}/mindmap/versions/{path}")
        assert answer.status_code == 404
    restore = await ann.call("POST", f"/v1/sessions/{sessions[0]}/mindmap/versions/2/restore")
    assert restore.status_code == 404

    assert await promoter.promote(state.run.id, "all") == {"promoted": 3}
    assert await promoter.promote(state.run.id, "all") == {}, "a repeat promotes nothing"
    shown = [await get(ann, session) for session in sessions]
    assert [(m["version"], m["status"], len(topics(m))) for m in shown] == [(2, "completed", 1)] * 3
    assert [await versions(ann, session) for session in sessions] == [[2, 1]] * 3

    assert await promoter.roll_back(state.run.id) == {"rolled_back": 3}
    assert await shown_bytes(db, sessions) == before
    assert [await versions(ann, session) for session in sessions] == [[1]] * 3
    assert await promoter.roll_back(state.run.id) == {}
    assert await promoter.promote(state.run.id, "all") == {"promoted": 3}, "a rolled back run can be promoted again"


async def test_edits_are_replayed_and_conflicts_listed(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, promoter: Promoter, settings: Settings
) -> None:
    """Edits from before the run, and from between the run and its promotion."""
    session = await session_about(ann, worker, "bread", "chess", "tides")
    first, second = topics(await get(ann, session))[:2]
    await change(ann, session, {"op": "rename", "node_id": first["id"], "label": "Mine"})
    await change(ann, session, {"op": "merge", "node_ids": [first["id"], second["id"]]})
    state = await start(planner, settings, run_of(session))
    (item,) = await list_items(db, state.run.id)
    assert (item["num_edits"], item["num_edits_lost"], state.progress.edits_lost) == (2, 1, 1)
    assert [conflict["op"] for conflict in item["conflicts"]] == ["merge"]
    assert item["conflicts"][0]["sentence"]
    assert sum(item["changes"].values()) > 0
    assert item["scorecard_before"].keys() >= {"grounding", "separation"}
    assert item["scorecard_after"].keys() >= {"grounding", "separation"}

    page = next(node["id"] for node in (await get(ann, session))["data"]["nodes"] if node["type"] == "page")
    await change(ann, session, {"op": "rename", "node_id": page, "label": "Late"})
    before = await shown_bytes(db, [session])
    await promoter.promote(state.run.id, "all")
    shown = await get(ann, session)
    assert (shown["version"], shown["edits"]["seq"]) == (2, 3)
    assert {"Mine", "Late"} <= {node["label"] for node in shown["data"]["nodes"]}
    assert len(shown["edits"]["not_applied"]) == 1
    await promoter.roll_back(state.run.id)
    assert await shown_bytes(db, [session]) == before


async def test_the_user_s_own_regenerate_comes_first_and_replaces_the_item(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, promoter: Promoter, settings: Settings
) -> None:
    waiting, done, promoted = [await session_about(ann, worker, "bread", "chess", part=part) for part in range(3)]
    regenerate = "/v1/sessions/{}/mindmap/generate"
    run_id = new_id()
    await planner.create(run_id, run_of(waiting, done, promoted), Budget())
    await ann.ok("POST", regenerate.format(waiting), json={"force": True})
    await worker.run()
    async with run_driver(settings) as (driver, _):
        await driver.drive(run_id)
    assert await statuses(db, run_id) == {
        waiting: ("superseded", "the user has another version now"),
        done: ("done", None),
        promoted: ("done", None),
    }
    await ann.ok("POST", regenerate.format(done), json={"force": True})
    await worker.run()
    assert await promoter.promote(run_id, "all") == {"promoted": 1, "left": 1}
    await ann.ok("POST", regenerate.format(promoted), json={"force": True})
    await worker.run()
    assert await promoter.roll_back(run_id) == {"left": 1}
    assert [(await get(ann, session))["version"] for session in (waiting, done, promoted)] == [2, 3, 3]


async def test_an_item_waits_while_its_user_has_the_map_generated(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings
) -> None:
    session = await session_about(ann, worker, "bread", "chess")
    run_id = new_id()
    await planner.create(run_id, run_of(session), Budget())
    await ann.ok("POST", f"/v1/sessions/{session}/mindmap/generate", json={"force": True})
    assert await work(settings, run_id, uuid.uuid4(), work_s=0.0) == 1
    (item,) = await list_items(db, run_id)
    assert (item["status"], item["attempts"]) == ("waiting", 0)
    await worker.run()
    assert (await get(ann, session))["version"] == 2


async def test_a_bad_algorithm_stops_at_the_canary(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings
) -> None:
    sessions = [await session_about(ann, worker, "bread", "chess", "tides", part=part) for part in range(4)]
    before = await shown_bytes(db, sessions)
    state = await start(planner, settings, run_of(*sessions, options=BAD, canary=0.25, gates=Gates(), promotion="all"))
    assert state.run.status == "stopped"
    assert state.run.reason is not None
    assert state.run.reason.startswith("canary: the mean separation fell by ")
    assert (state.progress.done, state.progress.waiting) == (1, 3)
    assert await shown_bytes(db, sessions) == before

    good = await start(planner, settings, run_of(*sessions, options={}, force=True, canary=0.25, gates=Gates()))
    assert (good.run.status, good.progress.done) == ("finished", 4)


async def test_promotion_by_gate_holds_back_the_worse_maps(
    ann: ApiUser, worker: InProcessWorker, planner: RunPlanner, promoter: Promoter, settings: Settings
) -> None:
    session = await session_about(ann, worker, "bread", "chess", "tides")
    state = await start(planner, settings, run_of(session, options=BAD, gates=Gates()))
    assert await promoter.promote(state.run.id, "gate") == {"held_back": 1}
    assert await promoter.promote(state.run.id, "all") == {"promoted": 1}


async def test_an_unchanged_map_gets_no_version(
    ann: ApiUser, worker: InProcessWorker, planner: RunPlanner, settings: Settings
) -> None:
    session = await session_about(ann, worker, "bread", "chess")
    state = await start(planner, settings, run_of(session, options={}))
    assert (state.run.status, state.progress.unchanged, state.progress.done) == ("finished", 1, 0)
    assert await versions(ann, session) == [1]


async def test_a_map_that_a_gate_holds_back_is_made_once(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings
) -> None:
    session = await session_about(ann, worker, "bread", "chess", "tides")
    parameters = run_of(session, options=BAD, gates=Gates(), promotion="gate")
    first, second = await start(planner, settings, parameters), await start(planner, settings, parameters)
    assert (first.run.status, first.progress.done, first.progress.promoted) == ("promoted", 1, 0)
    assert (second.progress.unchanged, second.progress.done) == (1, 0)
    assert await statuses(db, second.run.id) == {session: ("unchanged", "an earlier run has made this map: version 2")}


async def test_discarded_maps_are_deleted_and_those_that_were_shown_stay(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, promoter: Promoter, settings: Settings
) -> None:
    shown, held_back = [await session_about(ann, worker, "bread", "chess", "tides", part=part) for part in range(2)]
    state = await start(planner, settings, run_of(shown, held_back, options=BAD))
    run_id = state.run.id
    await ann.ok("POST", f"/v1/sessions/{held_back}/mindmap/generate", json={"force": True})
    await worker.run()
    assert await promoter.promote(run_id, "all") == {"promoted": 1, "left": 1}
    again = await start(planner, settings, run_of(held_back, options=BAD, force=True))
    before = await shown_bytes(db, [shown, held_back])

    async def num_candidates() -> int:
        cursor = await db.execute(
            "SELECT count(*) FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id"
            " WHERE m.session_id = ANY(%s) AND v.is_candidate",
            [[uuid.UUID(shown), uuid.UUID(held_back)]],
        )
        row = await cursor.fetchone()
        return int(row[0]) if row else 0

    assert await num_candidates() == 2
    assert await discard_run(planner._pool, again.run.id) == 1
    assert await discard_run(planner._pool, again.run.id) == 0
    assert (await statuses(db, again.run.id))[held_back] == ("superseded", "discarded")
    assert await promoter.promote(again.run.id, "all") == {}
    # The one that its user has replaced is never shown either.
    assert await discard_run(planner._pool, run_id) == 1
    assert await num_candidates() == 0
    assert await shown_bytes(db, [shown, held_back]) == before
    assert await promoter.roll_back(run_id) == {"rolled_back": 1}
    assert await discard_run(planner._pool, run_id) == 0, "users have seen this version"

    running = new_id()
    await planner.create(running, run_of(shown, force=True), Budget())
    with pytest.raises(Conflict, match="cancel it before its maps are discarded"):
        await discard_run(planner._pool, running)
    with pytest.raises(NotFound, match="there is no run “none”"):
        await discard_run(planner._pool, "none")


async def test_maps_of_old_runs_that_were_never_shown_are_deleted(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings
) -> None:
    session = await session_about(ann, worker, "bread", "chess")
    state = await start(planner, settings, run_of(session, force=True))
    operator = RunOperator(planner._pool, worker.valkey, lambda: InlineWorkers(settings), candidate_retention_days=90)
    await operator.delete_old_candidates()
    assert (await statuses(db, state.run.id))[session] == ("done", None)
    await db.execute("UPDATE map_runs SET finished_at = now() - interval '91 days' WHERE id = %s", [state.run.id])
    assert await operator.delete_old_candidates() >= 1
    assert (await statuses(db, state.run.id))[session] == ("superseded", "discarded")


async def test_a_failing_map_blocks_neither_this_run_nor_the_next(
    ann: ApiUser,
    worker: InProcessWorker,
    db: Db,
    planner: RunPlanner,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = [await session_about(ann, worker, "bread", "chess", part=part) for part in range(2)]
    monkeypatch.setattr(run_item, "RETRY_DELAYS_S", (0.0, 0.0))
    load = load_map_input

    async def broken(pool: Any, session_id: uuid.UUID, *arguments: Any, **options: Any) -> Any:
        if str(session_id) == bad:
            raise JobFailed("this one is broken")
        return await load(pool, session_id, *arguments, **options)

    monkeypatch.setattr("cluster.runs.item.load_map_input", broken)
    for _ in range(2):
        state = await start(planner, settings, run_of(bad, good, force=True))
        assert (state.run.status, state.progress.failed, state.progress.done) == ("finished", 1, 1)
        assert (await statuses(db, state.run.id))[bad] == ("failed", "this one is broken")
    monkeypatch.undo()
    await move_run(db, state.run.id, RunAction.RETRY)
    assert await retry_failed_items(db, state.run.id) == 1
    async with run_driver(settings) as (driver, _):
        state = await driver.drive(state.run.id)
    assert (state.run.status, state.progress.failed, state.progress.done) == ("finished", 0, 2)


async def test_a_worker_that_was_given_up_saves_nothing(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings
) -> None:
    """Another worker takes the item when the lease ends, and only its version is saved."""
    session = await session_about(ann, worker, "bread", "chess")
    run_id = new_id()
    await planner.create(run_id, run_of(session), Budget())
    lost = await claim_item(db, run_id, uuid.uuid4(), lease_s=-1.0, node="gone")
    assert lost is not None
    assert await work(settings, run_id, uuid.uuid4(), work_s=0.0) == 1
    async with AsyncConnectionPool(settings.database.postgres_dsn, open=False, kwargs={"autocommit": True}) as pool:
        from cluster.maps.pipeline import MapPipeline
        from cluster.maps.tasks import ThreadMapTasks

        await run_item.ItemProcessor(pool, MapPipeline(ThreadMapTasks(), worker.valkey), None, "x").process(lost)
    (item,) = await list_items(db, run_id)
    assert (item["status"], item["version"], item["attempts"]) == ("done", 2, 2)
    cursor = await db.execute(
        "SELECT count(*) FROM mindmap_versions v JOIN mindmaps m ON m.id = v.mindmap_id WHERE m.session_id = %s",
        [uuid.UUID(session)],
    )
    assert await cursor.fetchone() == (2,)


async def test_an_item_whose_workers_always_die_fails(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings
) -> None:
    session = await session_about(ann, worker, "bread")
    run_id = new_id()
    await planner.create(run_id, run_of(session), Budget())
    for _ in range(MAX_CLAIMS):
        assert await claim_item(db, run_id, uuid.uuid4(), lease_s=-1.0, node="gone") is not None
    assert await claim_item(db, run_id, uuid.uuid4(), lease_s=-1.0, node="gone") is None
    async with run_driver(settings) as (driver, _):
        state = await driver.drive(run_id)
    assert (state.run.status, state.progress.failed) == ("finished", 1)
    assert await statuses(db, run_id) == {session: ("failed", "interrupted")}


@pytest.fixture(scope="module")
def server_of_models() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def models(server_of_models: ModelServer) -> ModelServer:
    """Without the answers that other tests have queued."""
    server_of_models.reset()
    return server_of_models


def with_openai(settings: Settings, models: ModelServer) -> tuple[Settings, InlineProviderTasks]:
    """Settings with a provider of models, and its calls in this process."""
    endpoints = models.endpoints("openai")
    found = with_changes(settings, openai_api_key=SecretStr("k"), openai_base_url=endpoints["openai"].base_url)
    return found, InlineProviderTasks(CallContextConfig(settings.database.postgres_dsn, provider_endpoints(found)))


async def set_quota(db: Db, state: dict[str, float]) -> None:
    """Store the shared quota of both models."""
    for model in ("gpt-6-luna", "gpt-6.1-terra"):
        await db.execute(
            "INSERT INTO provider_windows (key, state) VALUES (%(key)s, %(state)s)"
            " ON CONFLICT (key) DO UPDATE SET state = excluded.state, version = provider_windows.version + 1",
            {"key": f"openai/{model}", "state": json.dumps(state)},
        )


async def test_a_run_waits_while_users_wait_for_the_models(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings, models: ModelServer
) -> None:
    """Users of another cluster too: only the row of the quota is shared with them."""
    session = await session_about(ann, worker, "bread", "chess")
    with_models, tasks = with_openai(settings, models)
    run_id, parameters = new_id(), run_of(session, provider="openai")
    estimate = await RunPlanner(with_models, planner._pool).estimate(parameters)
    await RunPlanner(with_models, planner._pool).create(run_id, parameters, Budget())
    full = {"at": 0.0, "requests": 1e9, "tokens": 1e9}
    await set_quota(db, {**full, "users_wait_until": 1e12})
    assert await work(with_models, run_id, uuid.uuid4(), work_s=0.0, provider_tasks=tasks) == 1
    (item,) = await list_items(db, run_id)
    assert (item["status"], item["attempts"], item["error"]) == ("waiting", 0, "the quota of the models is in use")
    await set_quota(db, full)
    await db.execute("UPDATE map_run_items SET not_before = NULL WHERE run_id = %s", [run_id])
    assert await work(with_models, run_id, uuid.uuid4(), work_s=0.0, provider_tasks=tasks) == 1
    (item,) = await list_items(db, run_id)
    assert item["status"] == "done"
    assert len(await paid_calls(db, run_id)) == estimate.num_calls, "the dry run counts the calls"
    assert 0 < item["tokens"] <= estimate.tokens, "and gives the upper bound of what they take"
    assert 0 < item["cost_micros"] <= estimate.cost_micros


async def test_the_operator_s_budget_pays_and_is_a_hard_ceiling(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings, models: ModelServer
) -> None:
    sessions = [await session_about(ann, worker, "bread", "chess", part=part) for part in range(3)]
    with_models, tasks = with_openai(settings, models)
    await set_quota(db, {"at": 0.0, "requests": 1e9, "tokens": 1e9})
    planner = RunPlanner(with_models, planner._pool)
    parameters = run_of(*sessions, provider="openai", options={})
    estimate = await planner.estimate(parameters)
    assert (estimate.num_sessions, estimate.num_users, estimate.num_sampled) == (3, 1, 3)
    assert estimate.tokens > estimate.most_tokens > 0
    assert estimate.cost_micros > 0
    with pytest.raises(BadRequest, match=r"a token budget of 10 does not cover one map, which may take [\d,]+ tokens"):
        check_budget(Budget(tokens=10), estimate)

    budget = Budget(tokens=estimate.most_tokens)
    run_id = new_id()
    await planner.create(run_id, parameters, budget)
    async with run_driver(with_models, InlineWorkers(with_models, 1, tasks)) as (driver, _):
        state = await driver.drive(run_id)
    assert state.run.status == "stopped"
    assert state.run.reason == f"the next call could exceed the token budget of the run “{run_id}”"
    assert state.progress.done >= 1
    assert state.progress.failed == 0
    assert 0 < state.progress.tokens <= estimate.most_tokens

    await planner.create(run_id, parameters, Budget(tokens=10 * estimate.tokens))
    await move_run(db, run_id, RunAction.RESUME)
    async with run_driver(with_models, InlineWorkers(with_models, 2, tasks)) as (driver, _):
        state = await driver.drive(run_id)
    assert (state.run.status, state.progress.done) == ("finished", 3)
    items = await list_items(db, run_id)
    assert sum(item["tokens"] for item in items) == state.progress.tokens
    assert all(item["cost_micros"] > 0 for item in items)
    cursor = await db.execute(
        "SELECT count(*) FILTER (WHERE run_id = %(run)s), count(*) FILTER (WHERE run_id IS NULL),"
        " (SELECT count(*) FROM ledger_entries l WHERE l.user_id = %(user)s) FROM ai_calls WHERE user_id = %(user)s",
        {"run": run_id, "user": uuid.UUID(ann.id)},
    )
    num_paid_by_run, num_paid_by_user, num_ledger_entries = await cursor.fetchone() or (0, 1, 1)
    assert num_paid_by_run > 0
    assert (num_paid_by_user, num_ledger_entries) == (0, 0)
    sent = await ann.ok("GET", f"/v1/sessions/{sessions[0]}/disclosures")
    assert sent["disclosures"], "the user sees what was sent"


async def paid_calls(db: Db, run_id: str) -> list[tuple[Any, ...]]:
    """The calls of a run that were answered, with what they took."""
    cursor = await db.execute(
        "SELECT task_type, status, input_tokens, output_tokens, cost_micros FROM ai_calls WHERE run_id = %s"
        " AND status <> 'sent' ORDER BY task_type, status, input_tokens, output_tokens",
        [run_id],
    )
    return await cursor.fetchall()


async def test_a_worker_killed_between_an_answer_and_its_use_has_no_call_paid_again(
    ann: ApiUser,
    bob: ApiUser,
    worker: InProcessWorker,
    db: Db,
    planner: RunPlanner,
    settings: Settings,
    models: ModelServer,
) -> None:
    """Both users have read the same. The run over Ann's session is killed whenever it is about to use an answer."""

    def first_outline_is_bad(document: dict[str, Any], prompt: str) -> Any:
        is_bad = "outline" in document and "cannot be used" not in prompt
        return {"title": "no topics"} if is_bad else sensible(document, prompt)

    models.reset()
    models.brain = first_outline_is_bad
    with_models, tasks = with_openai(settings, models)
    await set_quota(db, {"at": 0.0, "requests": 1e9, "tokens": 1e9})
    sessions = [await session_about(user, worker, "bread", "chess", "tides") for user in (ann, bob)]
    killed, undisturbed = new_id(), new_id()
    for run_id, session in zip((killed, undisturbed), sessions, strict=True):
        parameters = run_of(session, provider="openai", options={})
        await RunPlanner(with_models, planner._pool).create(run_id, parameters, Budget())
    assert await work(with_models, undisturbed, uuid.uuid4(), work_s=0.0, provider_tasks=tasks) == 1

    for point in (
        "cluster.providers.steps.save_description",
        "cluster.providers.calling.metered_client.CompletedCall.reject",
        "cluster.providers.steps.save_outline",
    ):
        owner = uuid.uuid4()
        await run_worker_killed_at(with_models, killed, owner, point)
        assert await return_items_of_owner(db, killed, owner) == 1
    assert await work(with_models, killed, uuid.uuid4(), work_s=0.0, provider_tasks=tasks) == 1
    assert (await statuses(db, killed))[sessions[0]] == ("done", None)
    assert await paid_calls(db, killed) == await paid_calls(db, undisturbed)
    assert {row[1] for row in await paid_calls(db, killed)} == {"ok", "unusable"}
    cursor = await db.execute(
        "SELECT sum(input_tokens + output_tokens), coalesce(sum(reserved_tokens) FILTER (WHERE status = 'sent'), 0)"
        " FROM ai_calls WHERE run_id = %s",
        [killed],
    )
    answered, waited_for = await cursor.fetchone() or (0, 0)
    await db.execute("UPDATE ai_calls SET status = 'lost' WHERE run_id = %s AND status = 'sent'", [killed])
    assert (await load_progress(db, killed)).tokens == answered + waited_for, "the vendor may charge a lost call"
    cursor = await db.execute(
        "SELECT count(*) FROM ai_run_answers WHERE session_id = ANY(%s)", [[uuid.UUID(each) for each in sessions]]
    )
    assert await cursor.fetchone() == (0,), "the answers go when the item has ended"


async def test_a_failed_attempt_asks_the_models_again(
    ann: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner, settings: Settings, models: ModelServer
) -> None:
    session = await session_about(ann, worker, "bread", "chess")
    models.reset()
    models.brain = lambda document, prompt: "no JSON" if "outline" in document else sensible(document, prompt)
    with_models, tasks = with_openai(settings, models)
    await set_quota(db, {"at": 0.0, "requests": 1e9, "tokens": 1e9})
    run_id = new_id()
    await RunPlanner(with_models, planner._pool).create(run_id, run_of(session, provider="openai"), Budget())
    assert await work(with_models, run_id, uuid.uuid4(), work_s=0.0, provider_tasks=tasks) == 1
    (item,) = await list_items(db, run_id)
    assert (item["status"], item["attempts"]) == ("waiting", 1)
    models.brain = sensible
    await db.execute("UPDATE map_run_items SET not_before = NULL WHERE run_id = %s", [run_id])
    assert await work(with_models, run_id, uuid.uuid4(), work_s=0.0, provider_tasks=tasks) == 1
    assert await statuses(db, run_id) == {session: ("done", None)}


async def test_a_run_that_exists_with_other_parameters_is_refused(
    ann: ApiUser, worker: InProcessWorker, planner: RunPlanner
) -> None:
    session = await session_about(ann, worker, "bread")
    run_id, parameters = new_id(), run_of(session)
    assert await planner.create(run_id, parameters, Budget())
    assert not await planner.create(run_id, parameters, Budget())
    other = run_of(session, options={"max_topics": 3.0}, gates=Gates())
    with pytest.raises(Conflict, match=r"other parameters \(gates.max_edits_lost, gates.max_failures, .*max_topics\)"):
        await planner.create(run_id, other, Budget())


async def test_a_selection_meets_every_criterion(
    ann: ApiUser, bob: ApiUser, worker: InProcessWorker, db: Db, planner: RunPlanner
) -> None:
    one, two = await session_about(ann, worker, "bread", "chess"), await session_about(ann, worker, "tides")
    three = await session_about(bob, worker, "bread")
    await db.execute(
        "UPDATE mindmap_versions SET pipeline_version = NULL, scorecard = jsonb_set(scorecard, '{grounding}', '0.1')"
        " WHERE mindmap_id IN (SELECT id FROM mindmaps WHERE session_id = %s)",
        [uuid.UUID(one)],
    )
    everyone = (ann.email.upper(), bob.email)

    async def count(**criteria: Any) -> int:
        return (await planner.count(Selection(**{"emails": everyone, **criteria})))[0]

    assert await count() == 3
    assert await count(emails=(bob.email,)) == 1
    assert await count(session_ids=(uuid.UUID(one), uuid.UUID(three))) == 2
    assert await count(pipeline_version=PIPELINE_VERSION) == 3
    assert await count(pipeline_version=PIPELINE_VERSION - 1) == 1
    assert await count(score_below=ScoreBelow(score="grounding", value=0.2)) == 1
    assert await count(provider="local") == 3
    assert await count(provider="openai") == 0
    assert await count(plan="enterprise") + await count(plan="free") + await count(plan="pro") == 3
    assert await count(limit=2) == 2
    assert await count(since="2100-01-01T00:00:00Z") == 0
    await db.execute("UPDATE browsing_sessions SET deleted_at = now() WHERE id = %s", [uuid.UUID(two)])
    assert await count() == 2


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"provider": "openai"}, BadRequest, "the provider “openai” is not configured; there are local"),
        ({"model": "x"}, BadRequest, "--model needs the --provider that offers it"),
        ({"prompt_version": 999}, BadRequest, f"has the prompts of version {PROMPT_VERSION}, not 999"),
        ({"options": {"topcis": 1.0}}, BadRequest, "there is no option “topcis”; the options are topic_resolution"),
        ({"options": {"max_topics": -1.0}}, BadRequest, "the option max_topics cannot be -1"),
        ({"options": {"max_topics": 2.5}}, BadRequest, "the option max_topics cannot be 2.5: it is a whole number"),
        ({"options": {"max_topics": float("nan")}}, BadRequest, "the option max_topics cannot be nan"),
        ({"options": {"merge_affinity": float("inf")}}, BadRequest, "the option merge_affinity cannot be inf"),
        ({"selection": Selection(provider="opnai")}, BadRequest, "--made-by: there is no provider “opnai”; maps are"),
        ({"selection": Selection(plan="gold")}, BadRequest, "there is no plan “gold”; the plans are free, pro"),
        ({"selection": Selection(pipeline_version=99)}, BadRequest, "--map-version: maps have the versions 1 to"),
        ({"selection": Selection(emails=("nobody@t.local",))}, NotFound, "no account with the address nobody@t.local"),
        ({"selection": Selection(session_ids=(uuid.UUID(int=7),))}, NotFound, "there is no session 0000"),
    ],
)
async def test_what_cannot_work_is_refused(
    planner: RunPlanner, changes: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence.replace("(", r"\(")):
        await planner.check(run_of(**changes))


async def test_a_limit_of_the_cost_needs_a_price(planner: RunPlanner, settings: Settings, models: ModelServer) -> None:
    with_models, _ = with_openai(settings, models)
    planner = RunPlanner(with_models, planner._pool)
    unpriced = run_of(provider="openai", model="our-own-model", options={})
    sentence = r"the price of openai/our-own-model is not known.*--token-budget"
    with pytest.raises(BadRequest, match=sentence):
        await planner.check(unpriced, Budget(cost_micros=1_000_000))
    limited = unpriced.model_copy(update={"gates": Gates(max_cost_micros_per_map=1_000)})
    with pytest.raises(BadRequest, match=sentence):
        await planner.check(limited)
    await planner.check(unpriced, Budget(tokens=1_000_000))
    assert (await planner.estimate(unpriced)).unpriced_models == ("openai/our-own-model",)
    await planner.check(run_of(provider="openai", options={}), Budget(cost_micros=1_000_000))
