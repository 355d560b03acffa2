"""What would be asked for one map: which models, which pages are not known yet, and what it costs at most."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from cluster.providers.configuration import ProviderAccess, read_chains
from cluster.providers.planning.cost_estimate import Quote, quote_map
from cluster.providers.privacy.outline_redaction import fragments
from cluster.providers.prompting.page_payload import page_card
from cluster.providers.response_cache import load_descriptions
from cluster.providers.types import ModelChoice, PageCard, PageDescription
from models.recording.pages import CapturedPage


@dataclass(frozen=True, slots=True)
class MapPlan:
    """`told` are the pages described before; `missing` those to be asked for. No chains: everything is local."""

    chains: Mapping[str, tuple[ModelChoice, ...]]
    told: Mapping[str, PageDescription]
    missing: tuple[PageCard, ...]
    quote: Quote
    #: What redaction found in the pages, and parts of it: nothing of it may be said in an outline either.
    forbidden: frozenset[str] = frozenset()

    @property
    def is_local(self) -> bool:
        """Whether no model takes part."""
        return not any(self.chains.values())


async def plan_map(
    connection: AsyncConnection[Any],
    accesses: Mapping[str, ProviderAccess],
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    pages: Sequence[CapturedPage],
    openai_model: str | None = None,
) -> MapPlan:
    """The plan for a map of `pages`, which are those that will be on it."""
    chains = await read_chains(connection, accesses, openai_model)
    if not pages or not any(chains.values()):
        return MapPlan(dict.fromkeys(chains, ()), {}, (), Quote())
    # Redaction reads every word: not while others wait for this loop.
    secrets: set[str] = set()
    cards = await asyncio.to_thread(lambda: [page_card(page, secrets) for page in pages])
    told = await load_descriptions(connection, user_id, session_id, chains["describe"], cards)
    missing = tuple(card for card in cards if card.page_id not in told) if chains["describe"] else ()
    quote = await asyncio.to_thread(quote_map, chains["describe"], chains["outline"], missing, len(cards))
    return MapPlan(chains, told, missing, quote, fragments(secrets))
