"""Normalization and redaction of URLs.

There are two forms. `normalize_url` is the storage form: servers treat it like the original. `page_url` also drops
campaign parameters, so that one page visited from two newsletters is one node on the map.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

_TRACKING = re.compile(
    r"^(utm_[^=]*|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|igshid|mc_cid|mc_eid|_hsenc|_hsmi|ref|ref_src)$",
    re.IGNORECASE,
)

#: Names of parameters with credentials. Matched against the whole name, split at `_` and `-`.
_SECRET_NAMES = frozenset(
    """
    token auth authorization apikey key secret password passwd pwd pass code sig signature session sessionid sid jwt otp
    pin credential credentials ticket samlresponse assertion nonce
    """.split()  # noqa: SIM905 - a list of names reads better as words
)
_SECRET_COMPOUNDS = re.compile(
    r"(^|[_.-])(access|refresh|id|api|auth|session|reset|csrf|xsrf|oauth|client)[_.-]?(token|key|secret|code|id)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"^(eyJ[\w-]+\.[\w-]+\.[\w-]*|(sk|pk|rk)_(live|test)_\w+|gh[pousr]_\w{20,}|xox[abprs]-[\w-]+|AKIA[0-9A-Z]{16})$"
)
REDACTED = "REDACTED"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError for an invalid port
    except ValueError:
        return None
    return parts


def normalize_url(url: str) -> str:
    """The storage form of `url`.

    Removes the fragment and one trailing `/` of the path, lower-cases scheme and host; an empty path becomes `/`. Query
    order, `www.`, ports and escapes stay. Returns a URL that cannot be parsed unchanged.
    """
    parts = _split(url.strip())
    if parts is None:
        return url
    path = parts.path
    if parts.netloc or not path:
        path = path or "/"
    if path != "/" and path.endswith("/"):
        path = path[:-1]
    userinfo, at, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme.lower(), userinfo + at + host.lower(), path, parts.query, ""))


def url_hash(url: str) -> str:
    """SHA-256 of the storage form as 64 lower-case hex digits."""
    return hashlib.sha256(normalize_url(url).encode("utf-8", "surrogatepass")).hexdigest()


def page_url(url: str) -> str:
    """The URL that identifies a page on the map: the storage form without campaign parameters."""
    parts = _split(normalize_url(url))
    if parts is None or not parts.query:
        return normalize_url(url)
    kept = [p for p in parts.query.split("&") if p and not _TRACKING.match(p.partition("=")[0])]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "&".join(kept), ""))


def page_id(url: str) -> str:
    """The id of a page, the same in every session: `p_` and 16 hex digits of the SHA-256 of its `page_url`."""
    return "p_" + hashlib.sha256(page_url(url).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def host_of(url: str) -> str:
    """The lower-case host without port, or an empty string."""
    parts = _split(url.strip())
    return (parts.hostname or "").lower() if parts else ""


def is_secret_parameter(name: str, value: str) -> bool:
    """Whether a URL parameter looks like a credential, by its name or by the form of its value."""
    words = [word for word in re.split(r"[_.\-\[\]]", name.lower()) if word]
    if _SECRET_VALUE.match(value):
        return True
    return bool(words) and (
        (len(words) == 1 and words[0] in _SECRET_NAMES)
        or words[-1] in {"token", "secret", "password", "passwd", "apikey", "signature", "jwt"}
        or bool(_SECRET_COMPOUNDS.search(name))
    )


def redact_url(url: str) -> str:
    """`url` without credentials: without user-info, and with the values of credential parameters redacted.

    Query and fragment are treated alike, because OAuth's implicit flow puts tokens into the fragment (RFC 6749, section
    4.2.2). Returns a URL without credentials unchanged.
    """
    parts = _split(url)
    if parts is None:
        return url
    netloc = parts.netloc.rpartition("@")[2]
    query = _redact_pairs(parts.query)
    fragment = _redact_pairs(parts.fragment) if "=" in parts.fragment else parts.fragment
    if (netloc, query, fragment) == (parts.netloc, parts.query, parts.fragment):
        return url
    return urlunsplit((parts.scheme, netloc, parts.path, query, fragment))


_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"<>]+")


def redact_urls(text: str) -> str:
    """`text` with every URL in it redacted; the title of an error page may contain its URL."""
    return _URL_IN_TEXT.sub(lambda match: redact_url(match.group()), text)


def _redact_pairs(query: str) -> str:
    if "=" not in query:
        return query
    kept = []
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        kept.append(f"{name}={REDACTED}" if equals and value and is_secret_parameter(name, value) else pair)
    return "&".join(kept)
