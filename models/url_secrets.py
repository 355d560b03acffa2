"""Redacts credentials in URLs: user-info, parameters, path segments, also inside an encoded URL.

Which parameter is a credential is decided by `models.url_parameters`. Every function takes time that grows linearly
with its input, because clients send the text.

Not recognized: a secret behind a parameter that other sites use for harmless values (`hash`, `k`), a short code in
a path, and a random path segment that no word such as `reset` or `invite` precedes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final
from urllib.parse import quote, unquote

from models.url_parameters import is_secret, is_secret_by_name, looks_random, may_be_secret

REDACTED: Final = "REDACTED"

#: A random-looking segment after one of these words is a one-time link.
_PATH_WORDS = frozenset(
    """
    reset resetpassword passwordreset password recover recovery verify verification verifyemail confirm confirmation
    confirmemail activate activation invite invites invitation invitations join magic magiclink token tokens auth
    unsubscribe signin login sso otp onetime
    """.split()  # noqa: SIM905 - a list of words reads better as words
)
_MIN_RANDOM_CHARS = 16
#: Addresses to which anyone can post who knows them: `/api/webhooks/1/TOKEN`, `/services/T1/B2/TOKEN`.
_HOOK_WORDS = frozenset(("webhook", "webhooks", "hooks", "incomingwebhook"))
_WORKSPACE = re.compile(r"T[0-9A-Z]{2,}/B[0-9A-Z]{2,}")
_MAX_HOOK_SEGMENTS = 3
_TOKEN_SEGMENT = re.compile(
    r"bot\d{5,}:[\w-]{30,}$|eyJ[\w-]+\.[\w-]+\.[\w-]*$|(sk|pk|rk)_(live|test)_\w+$|gh[pousr]_\w{20,}$|xox[abprs]-[\w-]+$|AKIA[0-9A-Z]{16}$"
)
_PAIR_DELIMITERS = re.compile(r"([&;?])")
_BLANK = re.compile(r"\s")
_BLANKS = str.maketrans("", "", "\t\r\n")
#: How often a value may be an encoded URL inside an encoded URL.
_MAX_ENCODINGS = 3


# Parts of JSON that make a closer look necessary. A name ends where the next one begins, so the search is linear.
_PARAMETER_IN_JSON = re.compile(r"[?&#;]([^=&#;?\s\"]+)=([^&#;?\s\"]*)")
_NUM_JUDGED_TOGETHER = 1_000
_LONG_SEGMENT_IN_JSON = re.compile(r"/(?<!//)[\w.~+=-]{16}")


def may_contain_secret(text: str) -> bool:
    """Whether JSON may contain a credential in a URL; False is certain. Many times as fast as the redaction."""
    if "@" in text or "\\" in text or "%" in text or _LONG_SEGMENT_IN_JSON.search(text):
        return True
    if "=" not in text:
        return False
    # In parts, because one search through all the text would keep the GIL, and with it other requests of the process. A
    # parameter that is repeated is judged once in each part.
    found = map(re.Match.groups, _PARAMETER_IN_JSON.finditer(text))
    while part := set(islice(found, _NUM_JUDGED_TOGETHER)):
        if any(is_secret_by_name(name, value) for name, value in part):
            return True
    return False


def redact_url(url: str, *, by_name: bool = False) -> str:
    """`url` without credentials: without user-info, and with credentials in path, query and fragment redacted.

    `by_name` redacts every parameter whose name suggests a credential, also where the name alone does not show it.
    Query and fragment are treated alike, because OAuth's implicit flow puts tokens into the fragment (RFC 6749, section
    4.2.2), and applications with routes in the fragment put whole URLs there. A URL without credentials is returned as
    the same object; one that cannot be parsed is redacted too.
    """
    kept = _redact(url, _MAX_ENCODINGS, by_name)
    return url if kept == url else kept


def _redact(url: str, encodings_left: int, by_name: bool) -> str:
    address, hash_mark, fragment = url.partition("#")
    base, question_mark, query = address.partition("?")
    path = base
    if "//" in base:
        scheme, slashes, rest = base.partition("//")
        if not scheme or scheme.endswith(":"):
            authority, slash, rest = rest.partition("/")
            path = slash + _redact_path(rest)
            base = f"{scheme}{slashes}{authority.rpartition('@')[2]}{path}"
    else:
        base = path = _redact_path(base)
    if query:
        query = _redact_pairs(query, path, encodings_left, by_name)
    if fragment:
        route, fragment_mark, pairs = fragment.partition("?")
        if "=" in route:
            # Parameters in a fragment that is no route identify no page; OAuth puts tokens there.
            route = _redact_pairs(route, path, encodings_left, by_name or route[:1] not in ("/", "!"))
        elif "/" in route:
            route = _redact_path(route)
        fragment = f"{route}{fragment_mark}{_redact_pairs(pairs, route or path, encodings_left, by_name)}"
    return f"{base}{question_mark}{query}{hash_mark}{fragment}"


def _redact_path(path: str) -> str:
    if len(path) < _MIN_RANDOM_CHARS and ";" not in path:
        return path
    segments = path.split("/")
    is_changed = False
    for i, segment in enumerate(segments):
        if len(segment) < _MIN_RANDOM_CHARS and ";" not in segment:
            continue
        kept = segment
        if ";" in segment:
            # RFC 3986, section 3.3: parameters of a segment, such as `;jsessionid=…`.
            kept = _redact_pairs(segment, "", 0, by_name=False)
        elif _TOKEN_SEGMENT.match(segment) or (i and _names_a_secret(segments, i) and looks_random(segment)):
            kept = REDACTED
        if kept != segment:
            segments[i], is_changed = kept, True
    return "/".join(segments) if is_changed else path


def _names_a_secret(segments: Sequence[str], i: int) -> bool:
    """Whether the segments before segment `i` say that it is a one-time link or the token of a webhook."""
    before = [
        segment.lower().replace("-", "").replace("_", "") if len(segment) < 32 else ""
        for segment in segments[max(0, i - _MAX_HOOK_SEGMENTS) : i]
    ]
    if before[-1] in _PATH_WORDS or not _HOOK_WORDS.isdisjoint(before):
        return True
    return before[0] == "services" and bool(_WORKSPACE.fullmatch("/".join(segments[i - 2 : i])))


def _redact_pairs(text: str, path: str, encodings_left: int, by_name: bool) -> str:
    if "=" not in text:
        return text
    parts = _PAIR_DELIMITERS.split(text)
    pairs = [part.partition("=") for part in parts[::2]]
    if "%" in text or _BLANK.search(text):
        pairs = [(unquote(name).translate(_BLANKS), equals, value) for name, equals, value in pairs]
    secrets = _which_are_secret(pairs, path, by_name)
    is_changed = False
    for i, (_, _, value) in enumerate(pairs):
        if not value:
            continue
        name = parts[2 * i].partition("=")[0]
        if secrets and secrets[i]:
            kept = f"{name}={REDACTED}"
        elif "%" in value and encodings_left:
            kept = f"{name}={_redact_encoded(value, encodings_left, by_name)}"
        else:
            continue
        if kept != parts[2 * i]:
            parts[2 * i], is_changed = kept, True
    return "".join(parts) if is_changed else text


def _which_are_secret(pairs: Sequence[tuple[str, str, str]], path: str, by_name: bool) -> list[bool]:
    """For each pair whether it is a credential; an empty list when none is."""
    if by_name:
        return [is_secret_by_name(name, value) for name, _, value in pairs]
    # Of most addresses no parameter can be a secret, whatever stands beside it.
    if not any(map(may_be_secret, frozenset(pairs))):
        return []
    names = frozenset(name.lower() for name, _, _ in pairs)
    return [is_secret(name, value, names, path) for name, _, value in pairs]


def _redact_encoded(value: str, encodings_left: int, by_name: bool) -> str:
    """`value` with the credentials of the URL that it may encode redacted; unchanged without any."""
    decoded = unquote(value)
    if "=" not in decoded and "/" not in decoded and "%" not in decoded:
        return value
    kept = _redact(decoded, encodings_left - 1, by_name)
    return quote(kept, safe="") if kept != decoded else value


# A URL in a text, from the `//` after its scheme: the scheme cannot contain a credential.
_URL_IN_TEXT = re.compile(r"(?<=:)//[^\s\"<>]+")


def redact_urls(text: str) -> str:
    """`text` with every URL in it redacted; the title of an error page may contain its URL.

    A text that is a relative URL as a whole is one too. A text without credentials is returned as the same object.
    """
    if "://" in text:
        kept = _URL_IN_TEXT.sub(lambda match: redact_url(match.group()), text)
        return text if kept == text else kept
    if text[:1] in {"/", "?", "#"} and not _BLANK.search(text):
        return redact_url(text)
    return text
