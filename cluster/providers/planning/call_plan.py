"""The calls that one map needs: the model chains, the pages without a cached description, and the cost estimate."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.providers.configuration import ModelChoice, ProviderEndpoint, load_chains
from cluster.providers.planning.consent import permitted_endpoints, vendor_names
from cluster.providers.planning.cost_estimate import CostEstimate, estimate_map_cost
from cluster.providers.privacy.outline_redaction import secret_fragments
from cluster.providers.prompting.page_payload import page_payload
from cluster.providers.response_cache import load_descriptions
from cluster.providers.types import ModelTarget, PageDescription, PagePayload
from models.accounts.model_use import ModelUse, load_model_use
from models.database import Connection
from models.recording.pages import CapturedPage


@dataclass(frozen=True, slots=True)
class CallPlan:
    """The plan of one map. Empty `chains` mean that the map is local."""

    chains: Mapping[str, tuple[ModelTarget, ...]]
    cached_descriptions: Mapping[str, PageDescription]
    pages_to_describe: tuple[PagePayload, ...]
    estimate: CostEstimate
    #: Vendors that were not considered, because the user has not yet agreed to send pages to them.
    awaiting_consent: tuple[str, ...] = ()
    #: The secrets that redaction found in the pages, and fragments of them: an outline must not contain them either.
    secret_fragments: frozenset[str] = frozenset()

    @property
    def is_local(self) -> bool:
        """Whether the map is made without models."""
        return not any(self.chains.values())


async def plan_calls(
    connection: Connection,
    endpoints: Mapping[str, ProviderEndpoint],
    user_id: uuid.UUID,
    session_id: uuid.UUID,
    pages: Sequence[CapturedPage],
    openai_model: str | None = None,
    *,
    use: ModelUse | None = None,
    choice: ModelChoice | None = None,
) -> CallPlan:
    """The plan for a map.

    Args:
        connection: An open connection; the caller commits. Loading marks cached responses as used by the session.
        endpoints: The configured providers by name.
        user_id: The owner of the session.
        session_id: The browsing session of the map.
        pages: The pages on the map.
        openai_model: Replaces the model of OpenAI in the default chains.
        use: Which models may be used; by default what the user has decided.
        choice: The model of a regeneration run, instead of the configured chains.
    """
    use = use or await load_model_use(connection, session_id)
    permitted = permitted_endpoints(endpoints, use)
    awaiting_consent = tuple(vendor_names(endpoints)) if use is ModelUse.ASK else ()
    chains = await load_chains(connection, permitted, openai_model, choice)
    if not pages or not any(chains.values()):
        return CallPlan(dict.fromkeys(chains, ()), {}, (), CostEstimate(), awaiting_consent)
    # In a thread, because redaction scans all text and would block the event loop.
    secrets: set[str] = set()
    payloads = await asyncio.to_thread(lambda: [page_payload(page, secrets) for page in pages])
    cached = await load_descriptions(connection, user_id, session_id, chains["describe"], payloads)
    missing = tuple(p for p in payloads if p.page_id not in cached) if chains["describe"] else ()
    estimate = await asyncio.to_thread(estimate_map_cost, chains["describe"], chains["outline"], missing, len(payloads))
    return CallPlan(chains, cached, missing, estimate, awaiting_consent, secret_fragments(secrets))
