"""Which providers may receive the pages of a session, by the user's choice."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from cluster.providers.configuration import ProviderEndpoint
from models.accounts.model_use import ModelUse
from models.mindmap.notes import API_VENDORS

_PRIVATE_SUFFIXES = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".svc")


def _is_private_host(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES)


def vendor_name(provider: str, endpoint: ProviderEndpoint) -> str | None:
    """The name of the company that receives what is sent to `endpoint`.

    None for a server on this machine or in a private network, which is the operator's own. A public server with a
    vendor's API, such as a gateway, is named by its host.
    """
    if endpoint.base_url is None:
        return API_VENDORS.get(provider, provider)
    host = urlsplit(endpoint.base_url).hostname or ""
    return None if _is_private_host(host) else host


def provider_names(endpoints: Mapping[str, ProviderEndpoint]) -> dict[str, str | None]:
    """What each configured provider is called, as `vendor_name`.

    Others have no name: whether the company or another server with its API received what was sent is not stored.
    """
    return {provider: vendor_name(provider, endpoint) for provider, endpoint in endpoints.items()}


def vendor_names(endpoints: Mapping[str, ProviderEndpoint]) -> list[str]:
    """The vendors that this server can send pages to, each once."""
    names = (vendor_name(provider, endpoint) for provider, endpoint in endpoints.items())
    return list(dict.fromkeys(name for name in names if name is not None))


def permitted_endpoints(endpoints: Mapping[str, ProviderEndpoint], use: ModelUse) -> dict[str, ProviderEndpoint]:
    """The providers that `use` permits."""
    if use is ModelUse.LOCAL:
        return {}
    if use is ModelUse.VENDOR:
        return dict(endpoints)
    return {name: endpoint for name, endpoint in endpoints.items() if vendor_name(name, endpoint) is None}
