"""What a parameter of a web address means: a secret, a campaign mark, a position on the page, or part of its identity.

A parameter is judged by the form of its value and by what stands beside it, not by its name alone: `code=005930` names
a share, `code=4/0AX4…&state=…` grants access to an account. The names are data (`url_rules.json`), which the extension
uses too. `tests/unit/models/url_parameters.json` is the table of real parameters by which both are measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import unquote

RULES: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("url_rules.json").read_text("utf-8"))
_CAMPAIGN, _POSITION, _SECRET = RULES["campaign"], RULES["position"], RULES["secret"]

Meaning = Literal["secret", "campaign", "position", "identity"]

_CAMPAIGN_PREFIXES = tuple(_CAMPAIGN["prefixes"])
_CAMPAIGN_NAMES = frozenset(_CAMPAIGN["names"])
_SOURCE_NAMES = frozenset(_CAMPAIGN["source_names"])
_SOURCE_VALUES = frozenset(_CAMPAIGN["source_values"])
_SOURCE_FORMS = re.compile("|".join(_CAMPAIGN["source_forms"]))
_DOMAIN_NAMES = frozenset(_CAMPAIGN["domain_names"])
_DOMAIN_FORM = re.compile(_CAMPAIGN["domain_form"])
_ROUTE_NAMES = frozenset(_CAMPAIGN["route_names"])
_TIME_NAMES = frozenset(_POSITION["time_names"])
_TIME_FORM = re.compile(_POSITION["time_form"])
_ALWAYS = frozenset(_SECRET["always"])
_ALWAYS_PREFIXES = tuple(_SECRET["always_prefixes"])
_ENDINGS = frozenset(_SECRET["endings"])
_PAGING_WORDS = frozenset(_SECRET["paging_words"])
_BY_VALUE = frozenset(_SECRET["by_value"])
_COIN_NAMES = frozenset(_SECRET["coin_names"])
#: What `token=` says on a page about a currency: its short name, or its public address. No service gives out tokens
#: of these forms.
_COIN_FORMS = re.compile("|".join(_SECRET["coin_forms"]))
_VALUE_FORMS = re.compile("|".join(_SECRET["value_forms"]))
_OAUTH_COMPANIONS = frozenset(_SECRET["oauth_companions"])
_PERSON_COMPANIONS = frozenset(_SECRET["person_companions"])
_ENTRY_SEGMENTS = frozenset(_SECRET["entry_segments"])
_SIGNED_BY = frozenset(_SECRET["signed_by"])
_SIGNED_WITH = frozenset(_SECRET["signed_with"])
_SIGNED_DROPPED = frozenset(_SECRET["signed_dropped"])
_SIGNATURES = frozenset({"signature", "sig", "sign"})

_MIN_RANDOM_CHARS = 16
#: No credential that is recognized by its form alone is shorter.
_MIN_FORM_CHARS = 9
_MAX_VALUE_CHARS = 512
_HEX = re.compile(r"^[0-9A-Fa-f-]+$")
_WORD_RUN = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}|\d{3,}|[^\x00-\x7f]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAME_SEPARATOR = re.compile(r"[_.\-\[\]\s]+")


@lru_cache(maxsize=4096)
def _name_words(name: str) -> tuple[str, ...]:
    """The words of a parameter's name, lower-case: `accessToken`, `access_token` and `access-token` have the same."""
    return tuple(word for word in _NAME_SEPARATOR.split(_CAMEL.sub("_", name[:100]).lower()) if word)


@lru_cache(maxsize=4096)
def _secrecy(name: str) -> Literal["always", "coin", "by_value", "no"]:
    words = _name_words(name)
    if not words:
        return "no"
    compact = "".join(words)
    if compact in _COIN_NAMES:
        return "coin"
    if compact in _ALWAYS or compact.startswith(_ALWAYS_PREFIXES):
        return "always"
    if words[-1] in _ENDINGS or compact.endswith("token"):
        return "no" if any(compact.startswith(word) for word in _PAGING_WORDS) else "always"
    if compact in _BY_VALUE or words[-1] == "signature":
        return "by_value"
    return "no"


def looks_random(value: str) -> bool:
    """Whether `value` looks like a generated token rather than a word, a number, a slug or a product code.

    A token is long and mixes letters and digits in runs that are no words: hexadecimal digits, base64 or the like.
    """
    value = value[:_MAX_VALUE_CHARS]
    if "%" in value:
        value = unquote(value)
    core = value.rstrip("=")
    if len(core) < _MIN_RANDOM_CHARS or " " in core or not any(map(str.isalpha, core)):
        return False
    has_digit = any(map(str.isdigit, core))
    if _HEX.match(core):
        return has_digit and len(core.replace("-", "")) >= _MIN_RANDOM_CHARS
    in_words = sum(len(run) for run in _WORD_RUN.findall(core))
    is_mixed = has_digit or (core != core.lower() and core != core.upper())
    return is_mixed and in_words < 0.55 * len(core)


def _is_entry_path(path: str) -> bool:
    """Whether `path` is where a login, an invitation or a mailed link arrives: `/oauth/callback`, `/verify`."""
    return any(segment.partition(".")[0] in _ENTRY_SEGMENTS for segment in path[-200:].lower().split("/"))


def _grants_access(name: str, value: str, names: Collection[str], path: str) -> bool:
    """Whether what stands beside a parameter that may be a secret shows that it is one."""
    words = _name_words(name)
    last = words[-1]
    if not _PERSON_COMPANIONS.isdisjoint(names) and name.lower() not in _PERSON_COMPANIONS:
        return True
    if last in _SIGNATURES and not _SIGNED_WITH.isdisjoint(names):
        return True
    if last == "code" and not _OAUTH_COMPANIONS.isdisjoint(names) and not value.isdigit():
        return True
    return bool(path) and _is_entry_path(path)


def is_secret_by_name(name: str, value: str) -> bool:
    """Whether the parameter may be a secret, judged without what stands beside it: stricter than `is_secret`."""
    return bool(value) and (_secrecy(name) != "no" or bool(_VALUE_FORMS.match(value[:_MAX_VALUE_CHARS])))


def may_be_secret(pair: tuple[str, str, str]) -> bool:
    """Whether `is_secret` can be true for a pair as `str.partition("=")` returns it."""
    return len(pair[2]) >= _MIN_FORM_CHARS or _secrecy(pair[0]) != "no"


def is_secret(name: str, value: str, names: Collection[str] = (), path: str = "") -> bool:
    """Whether the parameter grants access to something.

    `names` are the lower-case names of all parameters beside it, `path` the path of the address.
    """
    if not value:
        return False
    secrecy = _secrecy(name)
    if secrecy == "no":
        return len(value) >= _MIN_FORM_CHARS and bool(_VALUE_FORMS.match(value[:_MAX_VALUE_CHARS]))
    if secrecy == "always":
        return True
    if secrecy == "coin":
        return not _COIN_FORMS.match(value) or _grants_access(name, value, names, path)
    if looks_random(value) or _VALUE_FORMS.match(value[:_MAX_VALUE_CHARS]):
        return True
    # `sessionid` in one word is a cookie's name; a conference numbers its sessions.
    if name.lower() == "sessionid":
        return not value.isdigit()
    return _grants_access(name, value, names, path)


class _PositionRule(NamedTuple):
    """Names that do not identify a page of a host, the paths that this holds for, and a name that has to be there."""

    names: frozenset[str]
    paths: re.Pattern[str] | None
    required: str | None


_POSITION_RULES: Final = {
    host: _PositionRule(frozenset(rule["names"]), re.compile(rule["path"]) if "path" in rule else None, rule.get("if"))
    for host, rule in _POSITION["hosts"].items()
}
#: `amazon.` stands for that name in every country.
_IN_EVERY_COUNTRY: Final = [
    (host, re.compile(rf"(^|\.){re.escape(host)}[a-z]{{2,3}}(\.[a-z]{{2}})?$"), rule)
    for host, rule in _POSITION_RULES.items()
    if host.endswith(".")
]


@lru_cache(maxsize=2048)
def _position_rules(host: str) -> tuple[_PositionRule, ...]:
    """The rules of `url_rules.json` for a host and those it is below."""
    rules = [rule for name, form, rule in _IN_EVERY_COUNTRY if name in host and form.search(host)]
    while host:
        if host in _POSITION_RULES:
            rules.append(_POSITION_RULES[host])
        host = host.partition(".")[2]
    return tuple(rules)


def dropped_names(host: str, path: str, names: Collection[str]) -> frozenset[str]:
    """The lower-case names that do not identify a page of this site at this path; `*` stands for all."""
    dropped: frozenset[str] = frozenset()
    for rule in _position_rules(host[:255]):
        if (rule.required is None or rule.required in names) and (rule.paths is None or rule.paths.search(path)):
            dropped |= rule.names
    return dropped


@lru_cache(maxsize=4096)
def _kind_of_name(lower: str) -> Literal["campaign", "source", "time", "signed", "other"]:
    if lower in _CAMPAIGN_NAMES or lower.startswith(_CAMPAIGN_PREFIXES):
        return "campaign"
    if lower in _SOURCE_NAMES:
        return "source"
    if lower in _TIME_NAMES:
        return "time"
    return "signed" if lower in _SIGNED_DROPPED else "other"


def _names_a_source(name: str, value: str, names: Collection[str]) -> bool:
    """Whether a parameter such as `ref` says where the reader came from, and not a branch, a city or a language."""
    if not _ROUTE_NAMES.isdisjoint(names):
        return False
    value = value[:_MAX_VALUE_CHARS].lower()
    return (
        value in _SOURCE_VALUES
        or bool(_SOURCE_FORMS.match(value))
        or (name in _DOMAIN_NAMES and bool(_DOMAIN_FORM.match(value)))
    )


def is_signed(names: Collection[str]) -> bool:
    """Whether the parameters are those of a signed address, which is another one every time it is issued."""
    return not _SIGNED_BY.isdisjoint(names) and not _SIGNED_WITH.isdisjoint(names)


@lru_cache(maxsize=4096)
def _is_ordinary(name: str) -> bool:
    return _kind_of_name(name.lower()) == "other" and _secrecy(name) == "no"


def is_plainly_identity(pair: tuple[str, str, str]) -> bool:
    """Whether `meaning_of` is "identity", whatever stands beside the pair, on a site that drops no names.

    `pair` is as `str.partition("=")` returns it. False means: look closer.
    """
    return len(pair[2]) < _MIN_FORM_CHARS and _is_ordinary(pair[0])


def meaning_of(
    name: str, value: str, names: Collection[str], *, host: str, path: str, dropped: Collection[str] | None = None
) -> Meaning:
    """What one parameter of an address means.

    `names` are the lower-case names of all its parameters; `dropped` is `dropped_names(host, path, names)` if known.
    """
    lower = name.lower()
    kind = _kind_of_name(lower)
    if kind == "campaign" or (kind == "source" and _names_a_source(lower, value, names)):
        return "campaign"
    if dropped is None:
        dropped = dropped_names(host, path, names)
    if dropped and (lower in dropped or "*" in dropped):
        return "position"
    if kind == "time" and _TIME_FORM.match(value):
        return "position"
    if is_secret(name, value, names, path):
        return "secret"
    if kind == "signed" and is_signed(names):
        return "position"
    return "identity"
