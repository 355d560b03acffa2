"""Normalization of URLs; `models.url_secrets` removes credentials from them.

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

from models.url_parameters import dropped_names, is_plainly_identity, meaning_of
from models.url_secrets import REDACTED

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
#: Room for user-info, host and port.
_MAX_AUTHORITY_CHARS = 1_000
_AUTHORITY_END = re.compile(r"[/?#]")
_IGNORED = str.maketrans("", "", "\t\r\n")
# What nearly all addresses look like: `urlsplit` finds the same parts, in four times the time.
_PLAIN_URL = re.compile(
    r"(https?)://([a-z0-9.-]+(?::\d{1,4})?)(/[!\"$->@-~]*)?(?:\?([!\"$-~]*))?(?:#([!-~]*))?", re.ASCII
)
# Everything that may stand unescaped in a URL, and `%`: only what is not ASCII, blanks and quotes are escaped.
_KEPT = "!#$%&'()*+,/:;=?@[]~|{}^`\\"


def without_long_authority(url: str) -> str:
    """`url` with the end of its authority only, if that is far longer than any host; the end of a host decides."""
    if url.isascii() or len(url) <= _MAX_AUTHORITY_CHARS:
        return url
    url = url.translate(_IGNORED)
    before, slashes, rest = url.partition("//")
    end = _AUTHORITY_END.search(rest)
    length = end.start() if end else len(rest)
    return url if length <= _MAX_AUTHORITY_CHARS else before + slashes + rest[length - _MAX_AUTHORITY_CHARS :]


def split_url(url: str) -> SplitResult | None:
    """The parts of `url`; None when it cannot be parsed.

    A host of more than 253 letters does not exist (RFC 1035), and Python takes quadratic time to normalize one of
    combining marks, so a URL with a far longer authority cannot be parsed.
    """
    plain = _PLAIN_URL.fullmatch(url)
    if plain is not None:
        return SplitResult(*plain.groups(""))
    if not url.isascii():
        # As `urlsplit` reads it, without the white space that browsers ignore.
        _, slashes, rest = url.translate(_IGNORED).partition("//")
        head = rest[: _MAX_AUTHORITY_CHARS + 1]
        if slashes and len(head) > _MAX_AUTHORITY_CHARS and not any(delimiter in head for delimiter in "/?#"):
            return None
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
    parts = split_url(url.strip())
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


# The events of one visit name their page four times on average.
@lru_cache(maxsize=1024)
def page_url(url: str) -> str:
    """The URL that identifies a page on the map.

    The storage form without campaign marks and positions, with secrets redacted, and with one spelling of each escape.
    """
    plain = _PLAIN_URL.fullmatch(url)
    if plain is not None:
        # Its scheme and host are in small letters, and it has no user-info.
        scheme, netloc, path, query, fragment = plain.groups("")
        host = netloc.partition(":")[0]
        path = path.removesuffix("/") or "/"
        if fragment:
            fragment = _route(fragment)
    else:
        split = split_url(url.strip())
        if split is None:
            return url
        scheme, netloc, path, query, fragment = _normalized(split)
        host = host_name(split)
        if not netloc.isascii():
            netloc = _ascii_host(netloc)
    if query:
        query = _identifying_pairs(query, host, path)
    if fragment and "?" in fragment:
        route, _, route_query = fragment.partition("?")
        route_query = _identifying_pairs(route_query, host, route)
        fragment = f"{route}?{route_query}" if route_query else route
    if scheme and netloc and not fragment:
        # As `urlunsplit` does it, in a third of the time.
        base = f"{scheme}://{netloc}{path}"
        return _one_spelling(f"{base}?{query}" if query else base)
    return _one_spelling(urlunsplit((scheme, netloc, path, query, fragment)))


def host_name(parts: SplitResult) -> str:
    """The lower-case host. Most addresses have nothing else beside it, and `hostname` is slow to find it."""
    netloc = parts.netloc
    return (parts.hostname or "") if "@" in netloc or ":" in netloc or "[" in netloc else netloc.lower()


def _ascii_host(netloc: str) -> str:
    """`netloc` as browsers send it (RFC 5891); unchanged when it is no valid host."""
    host, colon, port = netloc.partition(":")
    with contextlib.suppress(UnicodeError):
        return host.encode("idna").decode("ascii") + colon + port
    return netloc


def _identifying_pairs(query: str, host: str, path: str) -> str:
    """The parameters that say which page it is, in their order."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    names = frozenset([name.lower() for name, _, _ in pairs])
    dropped = dropped_names(host, path, names)
    if not dropped and all(map(is_plainly_identity, pairs)):
        return "&".join(map("".join, pairs))
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


@lru_cache(maxsize=1024)
def page_id(url: str) -> str:
    """The id of a page, the same in every session: `p_` and 16 hex digits of the SHA-256 of its `page_url`."""
    return "p_" + hashlib.sha256(page_url(url).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def former_page_id(url: str) -> str:
    """The id of the page before routes, positions and spellings counted; stored maps and edits may have it."""
    parts = split_url(url.strip())
    former = url
    if parts is not None:
        scheme, netloc, path, query, _ = _normalized(parts)
        kept = [pair for pair in query.split("&") if pair and not _FORMER_CAMPAIGN.match(pair.partition("=")[0])]
        former = urlunsplit((scheme, netloc, path, "&".join(kept), ""))
    return "p_" + hashlib.sha256(former.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def host_of(url: str) -> str:
    """The lower-case host without port and without the final dot of an absolute name, or an empty string."""
    parts = split_url(url.strip())
    return (parts.hostname or "").lower().removesuffix(".") if parts else ""
