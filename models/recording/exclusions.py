"""Which sites are never recorded: a default list of sensitive sites, and the sites that a user excludes or allows.

The extension checks the rules before it reads a page, the server again before it stores an event; both read one file
(`site_rules.json`, copied by `make shared-rules`), and the user's lists are those of the account. Of an excluded event
only the name of the rule is stored.
"""

from __future__ import annotations

import ipaddress
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from models.urls import without_long_authority

_RULES: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("site_rules.json").read_text("utf-8"))
_BY_HOST: Final[dict[str, str]] = {host: kind for kind, hosts in _RULES["hosts"].items() for host in hosts}
_HOSTS: Final = frozenset(_BY_HOST)
_LABELS: Final[dict[str, re.Pattern[str]]] = {kind: re.compile(form) for kind, form in _RULES["labels"].items()}
_PATHS: Final = re.compile(_RULES["paths"], re.IGNORECASE)
_DOCUMENTATION: Final[dict[str, Any]] = _RULES["documentation"]
_DOCUMENTATION_KINDS: Final = frozenset(_DOCUMENTATION["kinds"])
_DOCUMENTATION_LABELS: Final = re.compile(_DOCUMENTATION["labels"])
_DOCUMENTATION_PATHS: Final = re.compile(_DOCUMENTATION["paths"], re.IGNORECASE)
_ENTRY_PATHS: Final = re.compile(_DOCUMENTATION["entry_paths"], re.IGNORECASE)
_PRIVATE_SUFFIXES: Final = tuple(f".{suffix}" for suffix in _RULES["private_suffixes"])

PRIVATE_NETWORK = "private network"
BROWSER_PAGE = "browser page"
#: The names under which reports know two kinds.
_RULE_NAMES: Final = {"login": "sign-in"}
_BROWSER_SCHEMES = re.compile(
    r"^(about|blob|brave|chrome(?:-\w+)?|content|data|devtools|edge|file|filesystem|intent|javascript|\w+-extension|opera|"
    r"resource|view-source|vivaldi):",
    re.IGNORECASE,
)
#: The length of a domain name (RFC 1035). Of a longer host only the end can be one.
_MAX_HOST_CHARS: Final = 253
_DOMAIN = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$")
# What nearly all addresses look like: a name in small letters, a path, a query, no route. Read many times as
# fast as the general way.
_PLAIN_ADDRESS: Final = re.compile(
    r"https?://([a-z0-9.-]{1,250}[a-z])(?::\d{1,5})?(?:(/[^?#\\\s]*)(?:\?[^#\s]*)?)?(#[^/!\s]|$)", re.ASCII
)
_NUMBER = re.compile(r"^(0x[0-9a-f]*|\d+)$")


@dataclass(frozen=True, slots=True)
class SiteLists:
    """The user's own lists of hosts, each with its subdomains. Where both match, the longer entry counts."""

    excluded: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()

    def excluding(self, host: str) -> str | None:
        """The entry that excludes `host`, or None."""
        excluded = matching_domain(host, self.excluded)
        allowed = self.allowing(host)
        return None if excluded is None or (allowed is not None and len(allowed) > len(excluded)) else excluded

    def allowing(self, host: str) -> str | None:
        """The entry that allows `host` although a default rule excludes it, or None."""
        return matching_domain(host, self.allowed) if self.allowed else None


def site_host(url: str) -> str:
    """The host of `url` as a browser understands it: one spelling, without port and final dots; empty without one.

    Browsers decode escapes and other forms of letters and digits, and read `0x7f.1` as an IPv4 address.
    """
    plain = _PLAIN_ADDRESS.match(url)
    if plain is not None:
        return plain[1]
    text = without_long_authority(url.strip())
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in ("http", "https") and "\\" in rest:
        text = scheme + colon + rest.replace("\\", "/")
    try:
        host = urlsplit(text).hostname or ""
    except ValueError:
        return ""
    if "%" in host and ":" not in host:
        host = unquote(host)
    # The end of a host decides, and no name is longer.
    host = unicodedata.normalize("NFKC", host[-_MAX_HOST_CHARS:]).lower().rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii").rstrip(".")
        except UnicodeError:
            return host
    return _dotted(host)


def _dotted(host: str) -> str:
    """`host` as four decimal numbers if it is another spelling of an IPv4 address."""
    parts = host.split(".")
    if len(parts) > 4 or not all(map(_NUMBER.match, parts)):
        return host
    try:
        numbers = [
            int(part, 16 if part.startswith("0x") else 8 if len(part) > 1 and part[0] == "0" else 10) for part in parts
        ]
        return str(ipaddress.IPv4Address(sum(n << 8 * (3 - i) for i, n in enumerate(numbers[:-1])) + numbers[-1]))
    except ValueError:
        return host


def is_private_host(host: str) -> bool:
    """Whether `host` (as `site_host` returns it) is a name or an address of a private network."""
    if "." not in host and ":" not in host:
        return bool(host)
    if host.endswith(_PRIVATE_SUFFIXES) or host in _RULES["private_suffixes"]:
        return True
    if not host[-1].isdigit() and ":" not in host:
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


def matching_domain(host: str, domains: Iterable[str] | frozenset[str]) -> str | None:
    """The entry of `domains` that covers `host` (itself or a parent of it), or None."""
    known = domains if isinstance(domains, frozenset) else frozenset(domains)
    rest = host[-_MAX_HOST_CHARS:]
    while rest:
        if rest in known:
            return rest
        rest = rest.partition(".")[2]
    return None


@lru_cache(maxsize=8192)
def _judge_host(host: str) -> tuple[str | None, bool]:
    """The rule that excludes `host`, and whether one of its labels says that it has documentation."""
    return _sensitive_host(host), any(map(_DOCUMENTATION_LABELS.match, host.split(".")[:-2]))


def _sensitive_host(host: str) -> str | None:
    """The rule that excludes `host`: a kind of `site_rules.json` or `PRIVATE_NETWORK`."""
    if is_private_host(host):
        return PRIVATE_NETWORK
    domain = matching_domain(host, _HOSTS)
    if domain is not None:
        return _BY_HOST[domain]
    # Only labels below the registrable name are checked: `pay.dev` is a blog.
    for label in host.split(".")[:-2]:
        for kind, pattern in _LABELS.items():
            if pattern.match(label):
                return kind
    return None


def _path_and_route(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(without_long_authority(url.strip()))
    except ValueError:
        return "", ""
    return parts.path, parts.fragment.partition("?")[0] if parts.fragment[:1] in ("/", "!") else ""


def default_exclusion_rule(url: str, *, allow_private_networks: bool = False) -> str | None:
    """The name of the default rule that excludes `url`, or None when the page may be recorded.

    The rules are the kinds of `site_rules.json`, private network and browser page. Documentation, engineering blogs and
    newsrooms of sensitive sites may be recorded. `allow_private_networks` disables the rule for private networks, for
    research on an intranet.
    """
    plain = _PLAIN_ADDRESS.match(url)
    if plain is not None:
        host, path, route = plain[1], plain[2] or "", ""
    elif _BROWSER_SCHEMES.match(url):
        return BROWSER_PAGE
    elif host := site_host(url):
        path, route = _path_and_route(url)
    else:
        return None
    rule, is_documentation = _judge_host(host)
    if rule is not None:
        if rule == PRIVATE_NETWORK:
            return None if allow_private_networks else rule
        is_documentation = is_documentation or bool(_DOCUMENTATION_PATHS.match(path))
        if not (is_documentation and rule in _DOCUMENTATION_KINDS):
            return _RULE_NAMES.get(rule, rule)
    if not (_PATHS.search(path) or (route and _PATHS.search(route))):
        return None
    # Of documentation and articles ("/wiki/Password") only the sign-in pages are excluded.
    paths = _ENTRY_PATHS if is_documentation or _DOCUMENTATION_PATHS.match(path) else _PATHS
    return _RULE_NAMES["login"] if paths.search(path) or (route and paths.search(route)) else None


def normalize_domain(entry: str) -> str:
    """The host of an entry in a user's list, without scheme, path, port and leading `*.`; IDNA for other scripts.

    Raises ValueError with a sentence for the user when the entry has no valid host.
    """
    text = entry.strip().lower().removeprefix("*.")
    host = site_host(text if "://" in text else f"https://{text}")
    if not host or len(host) >= _MAX_HOST_CHARS or not _DOMAIN.match(host):
        raise ValueError(f"{entry[:80]!r} is not a domain")
    return host
