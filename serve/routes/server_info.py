"""What this server offers: mail, AI vendors."""

from __future__ import annotations

from fastapi import APIRouter

from cluster.providers.configuration import provider_endpoints
from cluster.providers.planning.consent import provider_names, vendor_names
from models.mindmap.notes import API_VENDORS
from models.schemas.server_info import ServerEnvelope, ServerInfo
from serve.dependencies import RateLimitedByAddress, State
from serve.routes.extension_package import PACKAGE

router = APIRouter(prefix="/v1", tags=["health"])


@router.get("/server", dependencies=[RateLimitedByAddress])
async def server(state: State) -> ServerEnvelope:
    """What this server offers. Needs no login."""
    endpoints = provider_endpoints(state.settings)
    return ServerEnvelope(
        server=ServerInfo(
            sends_mail=state.settings.mail.server_url is not None,
            model_vendors=vendor_names(endpoints),
            providers=provider_names(endpoints),
            api_vendors=API_VENDORS,
            uses_models=bool(endpoints),
            has_extension=PACKAGE.exists(),
        )
    )
