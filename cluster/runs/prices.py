"""Whether the cost of a run's calls is known: what has no price is never counted, and a limit of it limits nothing."""

from __future__ import annotations

from cluster.providers.configuration import ModelChoice, load_chains, provider_endpoints
from cluster.providers.model_catalog import effective_spec
from cluster.providers.types import LOCAL_PROVIDER
from cluster.settings import Settings
from models.database import Connection
from models.errors import BadRequest
from models.runs.parameters import RunParameters


def model_choice(parameters: RunParameters) -> ModelChoice | None:
    """The model that replaces the configured chains; None when these are used."""
    return ModelChoice(parameters.provider, parameters.model) if parameters.provider else None


async def unpriced_models(connection: Connection, settings: Settings, parameters: RunParameters) -> list[str]:
    """The models that a run may call and whose price is not known."""
    if parameters.provider == LOCAL_PROVIDER:
        return []
    chains = await load_chains(
        connection, provider_endpoints(settings), settings.providers.openai_model, model_choice(parameters)
    )
    targets = {target.key: target for chain in chains.values() for target in chain}
    return [key for key, target in targets.items() if not effective_spec(target).has_price]


async def require_prices(connection: Connection, settings: Settings, parameters: RunParameters) -> None:
    """Raise BadRequest when the cost of a run cannot be limited."""
    if unpriced := await unpriced_models(connection, settings, parameters):
        raise BadRequest(
            f"the price of {', '.join(unpriced)} is not known, so a limit of the cost would not stop the run:"
            " limit its tokens (--token-budget)"
        )
