"""What would be asked for one map: which models, which pages are not known yet, and what it costs at most."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from cluster.providers.configuration import ProviderEndpoint, load_chains
from cluster.providers.planning.cost_estimate import CostEstimate, estimate_map_cost
from cluster.providers.privacy.outline_redaction import secret_fragments
from cluster.providers.prompting.page_payload import page_payload
from cluster.providers.response_cache import load_descriptions
from cluster.providers.types import ModelTarget, PageDescription, PagePayload
from models.recording.pages import CapturedPage


@dataclass(frozen=True, slots=True)
class CallPlan:
    """`told` are the pages described before; `missing` those to be asked for. No chains: everything is local."""

    chains: Mapping[str, tuple[ModelTarget, ...]]
    cached_descriptions: Mapping[str, PageDescription]
    pages_to_describe: tuple[PagePayload, ...]
    estimate: CostEstimate
    #: What redaction found in the pages, and parts of it: nothing of it may be said in an outline either.
    secret_fragments: frozenset[str] = frozenset()

    @property
    def is_local(self) -> bool:
        """Whether no model takes part."""
        return not any(self.chains.values())


async def plan_calls(
    connection: AsyncConnection[Any],
    endpoints: Mapping[str, ProviderEndpoint],
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    pages: Sequence[CapturedPage],
    openai_model: str | None = None,
) -> CallPlan:
    """The plan for a map of `pages`, which are those that will be on it."""
    chains = await load_chains(connection, endpoints, openai_model)
    if not pages or not any(chains.values()):
        return CallPlan(dict.fromkeys(chains, ()), {}, (), CostEstimate())
    # Redaction reads every word: not while others wait for this loop.
    secrets: set[str] = set()
    payloads = await asyncio.to_thread(lambda: [page_payload(page, secrets) for page in pages])
    told = await load_descriptions(connection, user_id, session_id, chains["describe"], payloads)
    missing = tuple(payload for payload in payloads if payload.page_id not in told) if chains["describe"] else ()
    quote = await asyncio.to_thread(estimate_map_cost, chains["describe"], chains["outline"], missing, len(payloads))
    return CallPlan(chains, told, missing, quote, secret_fragments(secrets))
