"""Checks what a run is asked to do, estimates it, and creates it. Nothing is stored before every check has passed."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg_pool import AsyncConnectionPool

from cluster.maps.loader import PIPELINE_VERSION
from cluster.mindmap.clustering.communities import TopicOptions
from cluster.mindmap.outline.pipeline import build_outline
from cluster.mindmap.pages.features import page_features
from cluster.mindmap.text.meaning import sentence_encoder
from cluster.providers.configuration import provider_endpoints
from cluster.providers.model_catalog import VENDORS
from cluster.providers.planning.call_plan import plan_calls
from cluster.providers.planning.cost_estimate import CostEstimate
from cluster.providers.prompting.prompts import PROMPT_VERSION
from cluster.providers.types import LOCAL_PROVIDER
from cluster.runs.prices import model_choice, require_prices, unpriced_models
from cluster.settings import Settings
from models.billing.plans import PLANS
from models.errors import BadRequest, Conflict
from models.recording.pages import CapturedPage
from models.recording.timeline_store import load_pages
from models.runs.parameters import RunParameters, Selection, check_run_id, differing_names
from models.runs.run_store import (
    check_selection,
    count_selected,
    insert_run,
    load_past_speed,
    load_run,
    sample_selected,
    set_budget,
)

#: Sessions whose calls are planned for an estimate; the rest is projected from them.
SAMPLE_SIZE = 40
#: Maps of past runs from which their speed is taken; with fewer, a sample of pages is processed.
_MIN_PAST_MAPS = 20
_MAX_TIMED_PAGES = 60


@dataclass(frozen=True, slots=True)
class Budget:
    """Hard ceilings of what the calls of a run may take; None means none."""

    tokens: int | None = None
    cost_micros: int | None = None


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run would take. Tokens and cost are upper bounds, `seconds` is of one worker.

    `num_sampled` sessions were planned; with fewer than `num_sessions`, the rest is projected from them.
    """

    num_sessions: int
    num_users: int
    num_sampled: int
    num_pages: int
    tokens: int
    cost_micros: int
    num_calls: int
    seconds: float
    #: The largest upper bound of one session of the sample.
    most_tokens: int = 0
    most_cost_micros: int = 0
    #: Models that may be called and whose cost is not in the sums, because their price is not known.
    unpriced_models: tuple[str, ...] = ()


def check_parameters(settings: Settings, parameters: RunParameters) -> None:
    """Raise BadRequest when a run with these parameters cannot give what is asked for."""
    selection, endpoints = parameters.selection, provider_endpoints(settings)
    if selection.since is not None and selection.until is not None and selection.until <= selection.since:
        raise BadRequest("--until must be later than --since")
    if selection.plan is not None and selection.plan not in PLANS:
        raise BadRequest(f"there is no plan “{selection.plan}”; the plans are {', '.join(PLANS)}")
    if selection.pipeline_version is not None and not 1 <= selection.pipeline_version <= PIPELINE_VERSION:
        raise BadRequest(f"--map-version: maps have the versions 1 to {PIPELINE_VERSION}")
    if selection.provider is not None and selection.provider not in (makers := [*VENDORS, LOCAL_PROVIDER]):
        raise BadRequest(
            f"--made-by: there is no provider “{selection.provider}”; maps are made by {', '.join(makers)}"
        )
    known = [*endpoints, LOCAL_PROVIDER]
    if parameters.provider is not None and parameters.provider not in known:
        raise BadRequest(f"the provider “{parameters.provider}” is not configured; there are {', '.join(known)}")
    if parameters.model is not None and parameters.provider in (None, LOCAL_PROVIDER):
        raise BadRequest("--model needs the --provider that offers it")
    if parameters.prompt_version != PROMPT_VERSION:
        raise BadRequest(
            f"this version of Trailmind has the prompts of version {PROMPT_VERSION}, not {parameters.prompt_version}:"
            " run the version that has them"
        )
    if parameters.pipeline_version != PIPELINE_VERSION:
        raise BadRequest(f"this version of Trailmind has the pipeline of version {PIPELINE_VERSION}")
    check_options(parameters.options)


def check_options(options: Mapping[str, float]) -> None:
    """Raise BadRequest for an option that the algorithm does not have, or a value that it cannot use."""
    names = [option.name for option in dataclasses.fields(TopicOptions)]
    for name, value in options.items():
        if name not in names:
            raise BadRequest(f"there is no option “{name}”; the options are {', '.join(names)}")
        if not math.isfinite(value) or value <= 0:
            raise BadRequest(f"the option {name} cannot be {value:g}: it is a positive number")
        if name == "max_topics" and value != int(value):
            raise BadRequest(f"the option {name} cannot be {value:g}: it is a whole number")


def check_budget(budget: Budget, estimate: RunEstimate) -> None:
    """Raise BadRequest when not even one map fits the budget: the run would stop before its first."""
    if budget.tokens is not None and estimate.most_tokens > budget.tokens:
        raise BadRequest(
            f"a token budget of {budget.tokens:,} does not cover one map, which may"
            f" take {estimate.most_tokens:,} tokens"
        )
    if budget.cost_micros is not None and estimate.most_cost_micros > budget.cost_micros:
        raise BadRequest(
            f"a cost budget of ${budget.cost_micros / 1e6:.4f} does not cover one map, which may cost"
            f" ${estimate.most_cost_micros / 1e6:.4f}"
        )


class RunPlanner:
    """Estimates and creates runs."""

    def __init__(self, settings: Settings, pool: AsyncConnectionPool[Any]) -> None:
        self._settings, self._pool = settings, pool

    async def check(self, parameters: RunParameters, budget: Budget = Budget()) -> None:
        """Raise BadRequest or NotFound when the run cannot give what is asked for, or not within `budget`."""
        check_parameters(self._settings, parameters)
        async with self._pool.connection() as connection:
            await check_selection(connection, parameters.selection)
            if budget.cost_micros is not None or parameters.gates.max_cost_micros_per_map is not None:
                await require_prices(connection, self._settings, parameters)

    async def count(self, selection: Selection) -> tuple[int, int]:
        """How many sessions a run takes, and of how many users."""
        async with self._pool.connection() as connection:
            return await count_selected(connection, selection, self._settings.default_plan)

    async def estimate(self, parameters: RunParameters) -> RunEstimate:
        """What the run would take, by the arithmetic of the quote that users see. Stores nothing."""
        num_sessions, num_users = await self.count(parameters.selection)
        default_plan = self._settings.default_plan
        total, num_pages, most_tokens, most_micros = CostEstimate(), 0, 0, 0
        timed: list[CapturedPage] = []
        async with self._pool.connection() as connection:
            limit = min(SAMPLE_SIZE, num_sessions)
            sample = await sample_selected(connection, parameters.selection, default_plan, limit)
            for session_id, user_id in sample:
                _, pages = await load_pages(connection, session_id, user_id)
                num_pages += len(pages)
                timed += pages[: max(0, _MAX_TIMED_PAGES - len(timed))]
                if parameters.provider == LOCAL_PROVIDER:
                    continue
                async with connection.transaction(force_rollback=True):
                    plan = await plan_calls(
                        connection,
                        provider_endpoints(self._settings),
                        user_id,
                        session_id,
                        pages,
                        self._settings.providers.openai_model,
                        choice=model_choice(parameters),
                    )
                total += plan.estimate
                most_tokens = max(most_tokens, plan.estimate.tokens)
                most_micros = max(most_micros, plan.estimate.cost_micros)
            ms_per_page, num_past = await load_past_speed(connection)
            unpriced = await unpriced_models(connection, self._settings, parameters)
        if ms_per_page is None or num_past < _MIN_PAST_MAPS:
            ms_per_page = _time_pages(timed)
        scale = num_sessions / len(sample) if sample else 0.0
        return RunEstimate(
            num_sessions=num_sessions,
            num_users=num_users,
            num_sampled=len(sample),
            num_pages=round(num_pages * scale),
            tokens=round(total.tokens * scale),
            cost_micros=round(total.cost_micros * scale),
            num_calls=round(total.num_calls * scale),
            seconds=num_pages * scale * ms_per_page / 1e3,
            most_tokens=most_tokens,
            most_cost_micros=most_micros,
            unpriced_models=tuple(unpriced),
        )

    async def create(self, run_id: str, parameters: RunParameters, budget: Budget) -> bool:
        """Create the run; False when it exists with the same parameters, which then gets the given budget.

        Raises Conflict when it exists with others.
        """
        check_run_id(run_id)
        async with self._pool.connection() as connection, connection.transaction():
            is_new = await insert_run(
                connection,
                run_id,
                parameters,
                self._settings.default_plan,
                token_budget=budget.tokens,
                cost_budget_micros=budget.cost_micros,
            )
            if is_new:
                return True
            stored = (await load_run(connection, run_id)).parameters
            if names := differing_names(stored.to_json(), parameters.to_json()):
                raise Conflict(
                    f"the run “{run_id}” exists with other parameters ({', '.join(names)}): choose another name, or"
                    f" continue it with `trailmind regenerate resume {run_id}`"
                )
            await set_budget(connection, run_id, budget.tokens, budget.cost_micros)
            return False


def _time_pages(pages: list[CapturedPage]) -> float:
    """Milliseconds per page of the local pipeline on this machine, measured."""
    if not pages:
        return 0.0
    encoder = sentence_encoder()
    began = time.perf_counter()
    build_outline([page_features(page, encoder) for page in pages])
    return (time.perf_counter() - began) * 1e3 / len(pages)
