"""Whose request it is: the address of the client, past the front door and the declared proxies."""

from __future__ import annotations

import functools
import hmac
import ipaddress

from fastapi import Request

from cluster.front_door import KEY_HEADER, front_door_key
from cluster.settings import Settings

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ClientAddresses:
    """Finds the client of a request.

    The front door (HAProxy) removes `X-Forwarded-For` of peers that are no trusted proxies, adds its peer as the last
    entry, and proves itself with a key. A request without the key came from its peer: Ray's Python proxy, where there
    is no HAProxy, or a program that connected to a replica's port. Either way the chain is read from the right, past
    the trusted proxies; entries further left can be forged by the client.
    """

    def __init__(self, settings: Settings) -> None:
        keys = settings.auth.signing_keys if settings.auth.secret_key is not None else ()
        self._front_door_keys = tuple(front_door_key(key).encode() for key in keys)
        self._proxies = tuple(ipaddress.ip_network(network) for network in settings.server.proxy_networks)

    def key_of(self, request: Request) -> str:
        """The rate limit key of the request: the client's address, an IPv6 address as its /64 network.

        One IPv6 /64 is one client, because it can choose among 2^64 addresses.
        """
        return _key(self._client(request))

    def _client(self, request: Request) -> str:
        sent = [part.strip() for value in request.headers.getlist("x-forwarded-for") for part in value.split(",")]
        chain = [part for part in sent if part]
        if not chain or not self._is_from_front_door(request):
            chain.append(request.client.host if request.client else "local")
        for address in reversed(chain):
            if not self._is_proxy(address):
                return address
        return chain[0]

    def _is_from_front_door(self, request: Request) -> bool:
        sent = request.headers.get(KEY_HEADER, "").encode("utf-8", "replace")
        return any(hmac.compare_digest(sent, key) for key in self._front_door_keys)

    def _is_proxy(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._proxies)


@functools.lru_cache(maxsize=4096)
def _parse(address: str) -> _Address | None:
    """The address in an entry of `X-Forwarded-For`, where some proxies add a port; None for anything else."""
    host = address
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _key(address: str) -> str:
    parsed = _parse(address)
    if parsed is None:
        return address[:64]
    return str(ipaddress.ip_network(f"{parsed}/64", strict=False)) if parsed.version == 6 else str(parsed)
