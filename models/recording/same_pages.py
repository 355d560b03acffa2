"""Recognizes that visits at several addresses were visits of one page, and that one address was several pages.

`models.urls.page_id` looks at one address. Here the visits of a session are compared: their addresses, the canonical
address that a page names, titles, and texts.

- *Spellings*: `http` and `https`, `www.` and `m.`, `youtu.be` and `youtube.com` are one page unless titles and texts
  differ.
- *Canonical*: pages that name the same page of their site as canonical are one if their texts agree. The text decides,
  because applications leave the first page's canonical address on every route.
- *Scrolling*: a forum that rewrites its address while one scrolls (`/topic/7/title/12`) shows overlapping texts under
  one title.
- *Positions*: addresses that differ in a fragment's route or in a parameter such as `ref` are one if their texts are
  the same.
- *Texts*: addresses of one site whose paths differ as those of a print view, a language or a file name do, or that
  differ in any parameter, are one page if they were loaded under one title with the same text. A short text at other
  values of a parameter may be the frame of an application that had not shown its content yet, and shows nothing.
- *Redacted*: addresses that lost their identity to redaction (`code=REDACTED`, recorded by older clients) are as many
  pages as they have titles with different texts.

A merged page has the id of the page that was visited first.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from models.recording.late_titles import ROUTED, correct_late_titles, late_chains
from models.recording.page_titles import is_interim_title, without_counters
from models.recording.timeline import Timeline, VisitRecord
from models.url_parameters import RULES
from models.url_secrets import REDACTED
from models.urls import host_name, page_url, split_url

_ALIASES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), form) for pattern, form in RULES["aliases"]
)
_ALIASED_HOST: Final = re.compile(RULES["aliased_hosts"])
#: Parameters that say how a page is shown or where the reader came from, on most sites.
_LOOSE_NAMES = frozenset(RULES["loose_names"])
_HOST_PREFIX = re.compile(r"^(?:www\d?|m|mobile|amp|touch)\.(?=[^.]+\.)")
_MOBILE_LABEL = re.compile(r"^([a-z-]{2,12})\.m\.")
_INDEX_FILE = re.compile(r"/(?:index|default|home)\.(?:[sx]?html?|php\d?|aspx?|jspx?|cfm|cgi|do)$", re.IGNORECASE)
_AMP_PATH = re.compile(r"(?:/amp/?|\.amp)$")
_PATH_PARAMETER = re.compile(r";[a-z]*sess[a-z]*id=[^/]*", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"/(?:page/|post[-/]|p)?\d{1,7}$")
_NUMBER_PAIR = re.compile(r"(?:^|&)(?:page|post|p|start|offset)=\d{1,7}(?=&|$)")
# What versions of a page for a device, a language or a printer have in front, and a form of file at the end.
_VERSION_HOST = re.compile(r"^(?:wap|3g|sp|print|[a-z]{2})\.(?=[^.]+\.[^.]+)")
_VERSION_PATH = re.compile(
    r"^/(?:amp|m|mobile|print|[a-z]{2}(?:-[a-z]{2,4})?|web/\d{4,14}(?:[a-z]{2}_)?)(?=/)|/(?:amp|print|printable|mobile)$"
    r"|(?:\.amp)?\.(?:x?html?|php|aspx?|jsp|pdf|amp)$"
)
_SENTENCE = re.compile(r"[\n.!?。！？]+\s*")

#: The length of a domain name (RFC 1035).
_MAX_HOST_CHARS = 253
_MAX_CHARS_COMPARED = 50_000
_MIN_SENTENCE_CHARS = 4
#: Shorter texts are "Loading …" and the like: they agree by accident.
_MIN_TEXT_CHARS = 60
_MAX_NAVIGATION_CHARS = 60
#: Without a rule for the address, so much text has to be the same; the frame of an application is shorter.
_MIN_EVIDENCE_CHARS, _MAX_FRAME_CHARS = 100, 600
_OVERLAP, _SAMENESS, _EVIDENCE, _DIFFERENCE = 0.5, 0.9, 0.95, 0.3
#: A page is compared with the first and the last pages of its group: enough for texts that overlap like windows.
_MAX_COMPARED = 12


@dataclass(slots=True)
class _Page:
    """One page by its address, before pages are compared."""

    page_id: str
    url: str
    written_titles: set[str] = field(default_factory=set)
    canonicals: set[str] = field(default_factory=set)
    content_keys: dict[str, None] = field(default_factory=dict)
    is_routed: bool = False
    _titles: frozenset[str] | None = None

    @property
    def titles(self) -> frozenset[str]:
        """The titles as they are compared, without those of challenges and errors. Few pages are compared."""
        if self._titles is None:
            self._titles = frozenset(without_counters(t) for t in self.written_titles if not is_interim_title(t))
        return self._titles


Sentences = dict[str, int]


class Comparison:
    """What the visits of one session can show together: make it, load the texts it asks for, then `reconcile`."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._late_chains = late_chains(timeline.visits)
        self._pages = _pages(timeline.visits)
        self._groups = _groups(self._pages)
        self._redacted = [visit for visit in timeline.visits if _lost_identity(visit.url)]

    @property
    def content_keys(self) -> list[str]:
        """The keys of the texts that `reconcile` reads; empty for most sessions."""
        visits = [*(visit for chain in self._late_chains for visit in chain), *self._redacted]
        keys = dict.fromkeys(visit.content_key for visit in visits if visit.content_key)
        for group in self._groups.values():
            for page in group:
                keys |= page.content_keys
        return list(keys)

    def reconcile(self, contents: Mapping[str, str]) -> Timeline:
        """The timeline with the right titles and pages; `contents` has the texts by content key."""
        timeline = correct_late_titles(self._timeline, self._late_chains, contents)
        # Pages are compared by their titles, so with corrected titles they have other groups.
        comparison = self if timeline is self._timeline else Comparison(timeline)
        return comparison.merge_pages(contents)

    def merge_pages(self, contents: Mapping[str, str]) -> Timeline:
        """The timeline with one page id for all visits of one page."""
        before = self._timeline
        if not self._groups and not self._redacted:
            return before
        ids = _split_ids(self._redacted, contents)
        if ids:
            visits = tuple(replace(visit, page_id=ids.get(visit.key, visit.page_id)) for visit in before.visits)
            pages = _pages(visits)
            merged = _merged_ids(pages, _groups(pages), contents)
        else:
            visits = before.visits
            merged = _merged_ids(self._pages, self._groups, contents)
        return _with_page_ids(before, visits, merged) if merged or ids else before


def reconcile(timeline: Timeline, contents: Mapping[str, str]) -> Timeline:
    """`timeline` with the right titles and pages, where all texts of the session are at hand in `contents`."""
    return Comparison(timeline).reconcile(contents)


def _with_page_ids(before: Timeline, visits: Sequence[VisitRecord], merged: Mapping[str, str]) -> Timeline:
    """`before` with `visits`, in which each page that `merged` names has the id that it maps to."""
    seen: set[str] = set()
    renamed: dict[str, str] = {}
    page_of_visit: dict[str, str] = {}
    result = []
    for former, visit in zip(before.visits, visits, strict=True):
        page = merged.get(visit.page_id, visit.page_id)
        renamed.setdefault(former.page_id, page)
        page_of_visit[visit.key] = page
        result.append(replace(visit, page_id=page, is_revisit=page in seen))
        seen.add(page)
    highlights = []
    for highlight in before.highlights:
        page_id = page_of_visit.get(highlight.visit_key or "") or renamed.get(highlight.page_id or "")
        highlights.append(replace(highlight, page_id=page_id) if page_id else highlight)
    return replace(before, visits=tuple(result), highlights=tuple(highlights))


def _pages(visits: Iterable[VisitRecord]) -> list[_Page]:
    pages: dict[str, _Page] = {}
    for visit in visits:
        page = pages.get(visit.page_id)
        if page is None:
            page = pages[visit.page_id] = _Page(visit.page_id, visit.url)
        if visit.title:
            page.written_titles.add(visit.title)
        if visit.canonical:
            page.canonicals.add(visit.canonical)
        if visit.content_key:
            page.content_keys[visit.content_key] = None
        page.is_routed = page.is_routed or visit.via in ROUTED
    return list(pages.values())


Groups = dict[tuple[str, str], list[_Page]]


def _groups(pages: Sequence[_Page]) -> Groups:
    """The pages that may be one, by why: two or more for each key."""
    whys = ("spelling", "position", "canonical", "scrolling", "text")
    groups: dict[str, dict[str, list[_Page]]] = {why: {} for why in whys}
    spellings, positions, canonicals, scrolled, same_texts = groups.values()
    has_canonicals = any(page.canonicals for page in pages)
    has_routes = any(page.is_routed for page in pages)
    for page in pages:
        address = _Address.of(page.url)
        if address is None:
            continue
        spellings.setdefault(address.spelling, []).append(page)
        positions.setdefault(address.loose, []).append(page)
        if has_routes:
            scrolled.setdefault(address.unnumbered, []).append(page)
        if has_canonicals:
            named = [_Address.of(canonical) for canonical in page.canonicals]
            names = {other.loose for other in named if other is not None and other.host == address.host}
            for loose in names | {address.loose}:
                canonicals.setdefault(loose, []).append(page)
    for title, titled in _by_title(pages).items():
        for page in titled:
            if (address := _Address.of(page.url)) is not None:
                same_texts.setdefault(f"{address.rough}\n{title}", []).append(page)
    shared = [(why, key, group) for why in groups for key, group in groups[why].items() if len(group) > 1]
    return {
        (why, key): group
        for why, key, group in shared
        if (why != "scrolling" or any(page.is_routed for page in group))
        and (why != "canonical" or any(page.canonicals for page in group))
    }


def _by_title(pages: Iterable[_Page]) -> dict[str, list[_Page]]:
    """The loaded pages that have a text, by title: two or more for each."""
    first: dict[str, _Page] = {}
    shared: dict[str, list[_Page]] = {}
    for page in pages:
        if page.content_keys and not page.is_routed:
            for title in page.written_titles:
                if title in shared:
                    shared[title].append(page)
                elif title in first:
                    shared[title] = [first[title], page]
                else:
                    first[title] = page
    return shared


class _Address(NamedTuple):
    """The keys of one address: pages with equal keys may be one."""

    host: str
    spelling: str
    loose: str
    path: str
    #: The parameters that `loose` has.
    kept: str

    @property
    def unnumbered(self) -> str:
        """The address without a number of a page or a contribution."""
        path = _LAST_NUMBER.sub("", self.path) if self.path[-1:].isdigit() else self.path
        return f"{self.host}{path}?{_NUMBER_PAIR.sub('', self.kept) if self.kept else ''}"

    @property
    def rough(self) -> str:
        """The address without parameters and without what versions of one page differ in."""
        path = _VERSION_PATH.sub("", self.path.lower().replace("//", "/"))
        if not path.isascii():
            path = unicodedata.normalize("NFC", path)
        return _VERSION_HOST.sub("", self.host) + path

    @staticmethod
    @lru_cache(maxsize=4096)
    def of(url: str) -> _Address | None:
        parts = split_url(page_url(url))
        host = host_name(parts).rstrip(".") if parts is not None else ""
        if parts is None or parts.scheme not in ("http", "https") or not host or len(host) > _MAX_HOST_CHARS:
            return None
        if not host.isascii():
            try:
                host = host.encode("idna").decode("ascii")
            except UnicodeError:
                return None
        host = _plain_host(host)
        port = parts.netloc.rpartition(":")[2] if ":" in parts.netloc else ""
        if port.isdigit() and port not in ("80", "443"):
            host = f"{host}:{port}"
        path = _plain_path(parts.path)
        pairs = sorted(map(_plain_pair, parts.query.split("&"))) if parts.query else []
        spelling = f"{host}{path}?{'&'.join(pairs)}".rstrip("?")
        if _is_aliased(host):
            spelling = _aliased(spelling)
        loose_path = unquote(path) if "%" in path else path
        kept = "&".join([pair for pair in pairs if pair.partition("=")[0].lower() not in _LOOSE_NAMES])
        return _Address(host, f"{spelling}#{parts.fragment}", f"{host}{loose_path}?{kept}", loose_path, kept)


def _plain_pair(pair: str) -> str:
    """A parameter in one spelling: `a+b`, `a%20b` and `a b` are the same value."""
    pair = pair.replace("+", " ")
    return unquote(pair).replace("&", "%26") if "%" in pair else pair


@lru_cache(maxsize=2048)
def _plain_host(host: str) -> str:
    """`host` without `www.` and the marks of versions for telephones."""
    return _MOBILE_LABEL.sub(r"\1.", _HOST_PREFIX.sub("", host))


@lru_cache(maxsize=2048)
def _is_aliased(host: str) -> bool:
    return bool(_ALIASED_HOST.search(host))


def _plain_path(path: str) -> str:
    """`path` without a session's id, the name of an index file, and the mark of a reduced version."""
    if ";" in path:
        path = _PATH_PARAMETER.sub("", path)
    if "." in path:
        path = _INDEX_FILE.sub("", path)
    if path.endswith(("/amp", "/amp/", ".amp")):
        path = _AMP_PATH.sub("", path)
    return path.rstrip("/")


def _aliased(address: str) -> str:
    for pattern, form in _ALIASES:
        address = pattern.sub(form, address, count=1)
    return address


def _merged_ids(pages: Sequence[_Page], groups: Groups, contents: Mapping[str, str]) -> dict[str, str]:
    """The id of each page that is part of another one → the id of that one."""
    order = {page.page_id: i for i, page in enumerate(pages)}
    leader = {page.page_id: page.page_id for page in pages}

    def find(page_id: str) -> str:
        while leader[page_id] != page_id:
            leader[page_id] = page_id = leader[leader[page_id]]
        return page_id

    sentences: dict[str, Sentences] = {}

    def of(page: _Page) -> Sentences:
        if page.page_id not in sentences:
            sentences[page.page_id] = _sentences(contents[key] for key in page.content_keys if key in contents)
        return sentences[page.page_id]

    for (why, _), group in groups.items():
        navigation = _navigation([of(page) for page in group])
        if why == "text":
            group = _without_frames(group, of)
        for i, page in enumerate(group):
            half = _MAX_COMPARED // 2
            compared = group[:i] if i <= _MAX_COMPARED else [*group[:half], *group[i - half : i]]
            for other in compared:
                a, b = find(page.page_id), find(other.page_id)
                if a != b and _is_same(why, page, other, of(page), of(other), navigation):
                    first, second = sorted((a, b), key=order.__getitem__)
                    leader[second] = first
    return {page_id: find(page_id) for page_id in leader if find(page_id) != page_id}


def _without_frames(group: list[_Page], text_of: Callable[[_Page], Sentences]) -> list[_Page]:
    """`group` without the pages that have one short text at other values of a parameter.

    It may be the frame of an application that had not shown its content yet.
    """
    values: dict[frozenset[str], dict[str, set[str]]] = {}
    for page in group:
        address = _Address.of(page.url)
        by_name = values.setdefault(frozenset(text_of(page)), {})
        for pair in address.kept.split("&") if address is not None and address.kept else []:
            name, _, value = pair.partition("=")
            by_name.setdefault(name, set()).add(value)
    frames = {
        text
        for text, by_name in values.items()
        if sum(map(len, text)) < _MAX_FRAME_CHARS and any(len(found) > 1 for found in by_name.values())
    }
    return [page for page in group if frozenset(text_of(page)) not in frames] if frames else group


def _sentences(texts: Iterable[str]) -> Sentences:
    found: Sentences = {}
    for text in texts:
        for sentence in _SENTENCE.split(text[:_MAX_CHARS_COMPARED]):
            stripped = sentence.strip()
            if len(stripped) >= _MIN_SENTENCE_CHARS:
                found[stripped] = len(stripped)
    return found


def _navigation(texts: Sequence[Sentences]) -> frozenset[str]:
    """Short lines that stand on every page of a group of three or more: menus, not what was read."""
    texts = [text for text in texts if text]
    if len(texts) < 3:
        return frozenset()
    common = set(texts[0]).intersection(*texts[1:])
    return frozenset(line for line in common if len(line) < _MAX_NAVIGATION_CHARS)


def _is_same(why: str, a: _Page, b: _Page, text_a: Sentences, text_b: Sentences, navigation: frozenset[str]) -> bool:
    has_texts = min(sum(text_a.values()), sum(text_b.values())) >= _MIN_TEXT_CHARS
    shares_title = not a.titles.isdisjoint(b.titles)
    differs_in_title = bool(a.titles and b.titles) and not shares_title
    if why == "spelling":
        return not differs_in_title or (has_texts and _shared(text_a, text_b, frozenset(), min) >= _OVERLAP)
    if why == "position":
        return has_texts and not differs_in_title and _shared(text_a, text_b, frozenset(), max) >= _SAMENESS
    if not has_texts:
        return False
    if why == "text":
        has_evidence = min(sum(text_a.values()), sum(text_b.values())) >= _MIN_EVIDENCE_CHARS
        return has_evidence and _shared(text_a, text_b, frozenset(), max) >= _EVIDENCE
    if why == "scrolling" and not shares_title:
        return False
    rest = navigation if any(line not in navigation for line in text_a) else frozenset()
    return _shared(text_a, text_b, rest, min) >= _OVERLAP


def _shared(a: Sentences, b: Sentences, ignored: frozenset[str], size: object) -> float:
    """How much of the smaller (`size` is min) or the larger text (max) stands in both, by characters, 0 to 1."""
    total_a = sum(length for sentence, length in a.items() if sentence not in ignored)
    total_b = sum(length for sentence, length in b.items() if sentence not in ignored)
    total = min(total_a, total_b) if size is min else max(total_a, total_b)
    both = sum(length for sentence, length in a.items() if sentence in b and sentence not in ignored)
    return both / total if total else 0.0


def _lost_identity(url: str) -> bool:
    return f"={REDACTED}" in url


def _split_ids(redacted: Sequence[VisitRecord], contents: Mapping[str, str]) -> dict[str, str]:
    """The key of each visit whose address lost its identity, unless it is of the first page there → its page id."""
    by_page: dict[str, dict[str, list[VisitRecord]]] = {}
    for visit in redacted:
        if visit.title and not is_interim_title(visit.title):
            by_page.setdefault(visit.page_id, {}).setdefault(without_counters(visit.title), []).append(visit)
    ids: dict[str, str] = {}
    for page_id, by_title in by_page.items():
        texts: list[Sentences] = []
        for i, (title, group) in enumerate(by_title.items()):
            text = _sentences(contents.get(visit.content_key or "", "") for visit in group)
            shares = [_shared(text, before, frozenset(), min) if before else 1.0 for before in texts]
            texts.append(text)
            if i and text and max(shares) < _DIFFERENCE:
                digest = hashlib.sha256(f"{page_id}\n{title}".encode("utf-8", "replace")).hexdigest()
                ids |= {visit.key: f"p_{digest[:16]}" for visit in group}
    return ids
