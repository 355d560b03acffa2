"""Normalization and redaction of URLs.

There are two forms. `normalize_url` is the storage form: servers treat it like the original. `page_url` identifies a
page: it has no campaign marks and no positions within the page, and one spelling of each escape, so that one page
visited from two newsletters is one node on the map. What a parameter means is decided by `models.url_parameters`.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from models.url_parameters import dropped_names, is_secret, is_secret_by_name, may_be_secret, meaning_of

REDACTED = "REDACTED"

# The fragment of an application's route: `#/guide/install`, `#!/inbox`, `#users/12`. Others are positions on a page.
_ROUTE = re.compile(r"^(?:/[^/]|!/?[^/]|[A-Za-z][\w-]*/[^=]*$)")
_FORMER_CAMPAIGN = re.compile(
    r"^(utm_[^=]*|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|igshid|mc_cid|mc_eid|_hsenc|_hsmi|ref|ref_src)$",
    re.IGNORECASE,
)
_TEXT_DIRECTIVE = re.compile(r":~:.*$", re.DOTALL)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
# RFC 3986, section 2.3, and the marks that browsers write in both ways: `Foo_(bar)` and `Foo_%28bar%29`.
_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~()!*'"
_PLAIN = {f"{ord(char):02X}": char for char in _UNRESERVED}
# Everything that may stand unescaped in a URL, and `%`: only what is not ASCII, blanks and quotes are escaped.
_KEPT = "!#$%&'()*+,/:;=?@[]~|{}^`\\"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError for an invalid port
    except ValueError:
        return None
    return parts


def normalize_url(url: str) -> str:
    """The storage form of `url`.

    Removes one trailing `/` of the path and a fragment that is a position; lower-cases scheme and host; an empty path
    becomes `/`. A fragment that is an application's route (`#/guide`) stays, and so do query order, `www.`, ports and
    escapes. Returns a URL that cannot be parsed unchanged.
    """
    parts = _split(url.strip())
    if parts is None:
        return url
    return urlunsplit(_normalized(parts))


def _normalized(parts: SplitResult) -> tuple[str, str, str, str, str]:
    path = parts.path
    if parts.netloc or not path:
        path = path or "/"
    if path != "/" and path.endswith("/"):
        path = path[:-1]
    userinfo, at, host = parts.netloc.rpartition("@")
    fragment = _route(parts.fragment) if parts.fragment else ""
    return parts.scheme.lower(), userinfo + at + host.lower(), path, parts.query, fragment


def _route(fragment: str) -> str:
    """The fragment if it is the route of an application, else an empty string."""
    if ":~:" in fragment:
        fragment = _TEXT_DIRECTIVE.sub("", fragment)
    return fragment if _ROUTE.match(fragment) else ""


def url_hash(url: str) -> str:
    """SHA-256 of the storage form as 64 lower-case hex digits."""
    return hashlib.sha256(normalize_url(url).encode("utf-8", "surrogatepass")).hexdigest()


def page_url(url: str) -> str:
    """The URL that identifies a page on the map.

    The storage form without campaign marks and positions, with secrets redacted, and with one spelling of each escape.
    """
    split = _split(url.strip())
    if split is None:
        return url
    scheme, netloc, path, query, fragment = _normalized(split)
    if not netloc.isascii():
        netloc = _ascii_host(netloc)
    if query:
        query = _identifying_pairs(query, split.hostname or "", path)
    if fragment and "?" in fragment:
        route, _, route_query = fragment.partition("?")
        route_query = _identifying_pairs(route_query, split.hostname or "", route)
        fragment = f"{route}?{route_query}" if route_query else route
    return _one_spelling(urlunsplit((scheme, netloc, path, query, fragment)))


def _ascii_host(netloc: str) -> str:
    """`netloc` as browsers send it (RFC 5891); unchanged when it is no valid host."""
    host, colon, port = netloc.partition(":")
    with contextlib.suppress(UnicodeError):
        return host.encode("idna").decode("ascii") + colon + port
    return netloc


def _identifying_pairs(query: str, host: str, path: str) -> str:
    """The parameters that say which page it is, in their order."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    names = frozenset(name.lower() for name, _, _ in pairs)
    dropped = dropped_names(host, path, names)
    kept = []
    for name, equals, value in pairs:
        meaning = meaning_of(name, value, names, host=host, path=path, dropped=dropped)
        if meaning == "secret":
            kept.append(f"{name}={REDACTED}")
        elif meaning == "identity":
            kept.append(name + equals + value)
    return "&".join(kept)


def _one_spelling(url: str) -> str:
    """`url` with escapes in capitals, unreserved characters as themselves, and others that are not ASCII escaped."""
    if not url.isascii() or " " in url or '"' in url:
        url = quote(url, safe=_KEPT, errors="replace")
    return _ESCAPE.sub(_spell_escape, url) if "%" in url else url


def _spell_escape(escape: re.Match[str]) -> str:
    digits = escape[1].upper()
    return _PLAIN.get(digits) or f"%{digits}"


# The events of one visit name their page four times on average.
@lru_cache(maxsize=1024)
def page_id(url: str) -> str:
    """The id of a page, the same in every session: `p_` and 16 hex digits of the SHA-256 of its `page_url`."""
    return "p_" + hashlib.sha256(page_url(url).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def former_page_id(url: str) -> str:
    """The id of the page before routes, positions and spellings counted; stored maps and edits may have it."""
    parts = _split(url.strip())
    former = url
    if parts is not None:
        scheme, netloc, path, query, _ = _normalized(parts)
        kept = [pair for pair in query.split("&") if pair and not _FORMER_CAMPAIGN.match(pair.partition("=")[0])]
        former = urlunsplit((scheme, netloc, path, "&".join(kept), ""))
    return "p_" + hashlib.sha256(former.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def host_of(url: str) -> str:
    """The lower-case host without port, or an empty string."""
    parts = _split(url.strip())
    return (parts.hostname or "").lower() if parts else ""


def is_secret_parameter(name: str, value: str) -> bool:
    """Whether a parameter that stands alone may be a credential (`models.url_parameters`)."""
    return is_secret_by_name(name, value)


def redact_url(url: str, *, by_name: bool = False) -> str:
    """`url` without credentials: without user-info, and with the values of credential parameters redacted.

    `by_name` redacts every parameter whose name suggests a credential, also where the name alone does not show it.

    Query and fragment are treated alike, because OAuth's implicit flow puts tokens into the fragment (RFC 6749, section
    4.2.2). Returns a URL without credentials unchanged.
    """
    parts = _split(url)
    if parts is None:
        return url
    netloc = parts.netloc.rpartition("@")[2]
    query = _redact_pairs(parts.query, parts.path, by_name=by_name)
    fragment = parts.fragment
    if "=" in fragment:
        route, mark, route_query = fragment.rpartition("?")
        fragment = route + mark + _redact_pairs(route_query, route or parts.path, by_name=by_name)
    if (netloc, query, fragment) == (parts.netloc, parts.query, parts.fragment):
        return url
    return urlunsplit((parts.scheme, netloc, parts.path, query, fragment))


_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"<>]+")


def redact_urls(text: str) -> str:
    """`text` with every URL in it redacted; the title of an error page may contain its URL."""
    return _URL_IN_TEXT.sub(lambda match: redact_url(match.group()), text)


def _redact_pairs(query: str, path: str, *, by_name: bool) -> str:
    if "=" not in query:
        return query
    pairs = [pair.partition("=") for pair in query.split("&")]
    if by_name:
        secrets = [is_secret_by_name(name, value) for name, _, value in pairs]
    else:
        # Of most addresses no parameter can be a secret, whatever stands beside it.
        if not any(map(may_be_secret, pairs)):
            return query
        names = frozenset(name.lower() for name, _, _ in pairs)
        secrets = [is_secret(name, value, names, path) for name, _, value in pairs]
    return "&".join(
        f"{name}={REDACTED}" if is_redacted else name + equals + value
        for (name, equals, value), is_redacted in zip(pairs, secrets, strict=True)
    )
