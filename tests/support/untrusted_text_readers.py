"""The functions that read untrusted text, the inputs on which their time is measured, and the measurement of each.

`tests/unit/test_growth.py` looks for quadratic time on every change, `benchmarks/bench_growth.py` checks the exact
rule.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from typing import Any

from cluster.mindmap.build import build_map
from cluster.mindmap.evaluation.session_file import InvalidSessionFile, pages_from_events, parse_events
from cluster.mindmap.outline.labels import clean_site_name, title_label
from cluster.mindmap.pages.features import default_page_label, join_wrapped_lines, page_features
from cluster.mindmap.pages.page_filter import exclusion_reason, search_query, url_folders, url_path_words
from cluster.mindmap.pages.titles import segment_title
from cluster.mindmap.render.exports import to_freemind, to_markdown, to_opml
from cluster.mindmap.render.tree_text import to_tree_text
from cluster.mindmap.text.language import detect_language, split_sentences
from cluster.providers.privacy.outline_redaction import mask_secrets, secret_fragments, strip_secrets
from cluster.providers.privacy.redaction import redact
from cluster.providers.prompting.page_payload import page_payload
from cluster.providers.prompting.responses import DescribeResponse, parse_response
from cluster.providers.token_estimate import estimate_tokens, truncate
from models.errors import BadRequest, PayloadTooLarge
from models.mindmap.document import MindmapDocument
from models.recording.corrections import apply_corrections
from models.recording.exclusions import default_exclusion_rule, matching_domain, normalize_domain
from models.recording.ingest import parse_batch
from models.recording.page_titles import (
    clean_title,
    file_name,
    is_interim_title,
    share_of_words,
    title_of_page,
    without_counters,
)
from models.recording.pages import CapturedPage
from models.recording.payloads import contains_nul
from models.recording.same_pages import reconcile
from models.recording.timeline import (
    SessionSpan,
    Timeline,
    TimelineEvent,
    VisitRecord,
    build_timeline,
    captured_pages,
)
from models.recording.titles import is_automatic_title
from models.search.forgiving import forgiving_terms, has_word_like, is_one_error_apart
from models.search.index import IndexedPage, index_rows
from models.search.queries import snippet
from models.search.words import query_terms, search_words, tsquery_text, tsvector_text, unweighted_tsvector_text
from models.text import collapse_whitespace, normalize_unicode, shorten, strip_invisible, strip_markup
from models.url_parameters import dropped_names, looks_random, meaning_of
from models.url_secrets import may_contain_secret, redact_url, redact_urls
from models.urls import host_of, normalize_url, page_id, page_url, url_hash
from models.words import find_words, join_words, unspaced_length
from serve.routes.exports import timeline_csv
from telemetry.logs import sanitize
from tests.support.growth import Growth, Rule, cpu_s, measure_growth, without_garbage_collection

_SCREENED_CHARS = 4_000
_ID = uuid.UUID(int=1)
_T0 = 1_760_000_000_000

#: Units that are repeated, and forms around them. Each was chosen for a pattern or loop of the code that reads it.
UNITS = (
    # addresses and parameters
    "?", "=", "a=b&", "token=a&", "?a=b&", "&", ";", "#", "%", "%25", "%3F", "/", "//", "://", "http://", ".", "a.",
    "-", "_", "@", "a@", "a.b@", "A1b2C3d4E5f6G7h8/reset/", "0123456789abcdef-", "_ga=1.2; ",
    # white space and words
    " ", "\t", "\n", "a ", "a\n", "\u00a0", "\x85", "a", "A", "aA", "a" * 30 + " ", "a b. ", "the ",
    # markup and escapes
    "<", "<a", "<!--", "<script", "<script>", "</script ", "&lt;", "&#", "[", "](", "[](", "[a](", "*", "`", "~", "(",
    ")", "\\", '"', "'", "\\u0000", "\\ud83d", "javascript:", "java", "jajavascript:vascript:",
    # secrets
    "eyJa.", "eyJaaaaaaaa-", "eyJaaaaaaaa.aaaaaaaa-", "SG.aaaaaaaaaaaaaaaa-", "-----BEGIN PRIVATE KEY-----", "sk-",
    "password: ", "password=a ", "Bearer ", "1", "1 ", "1-", "1.", "4111 ", "900101-1", "A1", "aA1", "aA1-",
    "주민번호", "인증번호: 1",
    # scripts, combining marks, invisible characters, letters that grow when they are folded
    "한", "한 ", "한a", "한국어 텍스트 ", "学", "e\u0301", "\u0301", "\u0315\u0300", "\u200b", "\u202e", "\ufeff",
    "\ufdfa", "İ", "ß", "😀",
    # titles
    "| ", " - ", ": ", "Chapter 1. ", "1.1", "(1)", "log in ",
)  # fmt: skip
_PREFIXES = ("", "https://e.com/?", "https://", "password")
#: The end of a text after a long repetition: a pattern that has to reach the end of the text fails there.
_SUFFIX = "\n!"


def shapes(size: int) -> Iterator[tuple[str, str, str]]:
    """(name, unit, text of about `size` characters) of every shape."""
    for prefix, unit in itertools.product(_PREFIXES, UNITS):
        yield f"{prefix}{unit!r}", unit, (prefix + unit * (size // len(unit) + 1))[:size]
    for unit in UNITS:
        text = (unit * (size // len(unit) + 1))[: size - len(_SUFFIX)] + _SUFFIX
        yield f"{unit!r} to {_SUFFIX!r}", unit, text


def _shape(name: str, size: int) -> str:
    return next(text for found, _, text in shapes(size) if found == name)


def event_body(**fields: Any) -> bytes:
    """A request of one event with these fields."""
    event = {"type": "page_visit", "timestamp": _T0, "url": "https://e.com/a", **fields}
    return json.dumps({"events": [event]}, ensure_ascii=False).encode()


def parse(body: bytes) -> None:
    """Parse a request as the server does; a refused one is as good as an accepted one."""
    with suppress(BadRequest, PayloadTooLarge):
        parse_batch(body, user_id=_ID, session_id=_ID)


def _without_errors(function: Callable[[str], Any]) -> Callable[[str], None]:
    def call(text: str) -> None:
        with suppress(ValueError):
            function(text)

    return call


def _page(text: str = "Bears eat honey.", **fields: Any) -> CapturedPage:
    return CapturedPage(page_id="p_1", url="https://e.com/a", title="Bears", text=text, **fields)


def _fields(**changed: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("content_key", "first_visited_at", "last_visited_at"))
    page: dict[str, Any] = {"page_id": "p_1", "url": "https://e.com/a", "title": "Bears", "highlights": []}
    return page | empty | {"dwell_ms": 5, "num_visits": 1} | changed


#: Of one text.
TEXT_READERS: dict[str, Callable[[str], Any]] = {
    "ingest: unread field": lambda t: parse(event_body(unread=t)),
    "ingest: address": lambda t: parse(event_body(url=t)),
    "ingest: page text": lambda t: parse(event_body(content=t)),
    "ingest: many events": lambda t: parse(
        json.dumps(
            {"events": [{"type": "a", "timestamp": _T0 + i, "x": t[i : i + 200]} for i in range(0, len(t), 200)][:999]}
        ).encode()
    ),
    "ingest: names of fields": lambda t: parse(event_body(**{t[i : i + 20]: 1 for i in range(0, len(t), 20)})),
    "ingest: not JSON": lambda t: parse(t.encode()),
    "ingest: text of brackets": lambda t: parse(b'{"events":[' + t.encode() + b"]}"),
    "ingest: nested": lambda t: parse(b'{"events":[' + b'["' + t.encode() + b'",' + b"[" * 3_000 + b"]}"),
    "redaction: redact_url": redact_url,
    "redaction: redact_urls": redact_urls,
    "redaction: may_contain_secret": may_contain_secret,
    "redaction: for providers": redact,
    "redaction: payload": lambda t: page_payload(_page(t)),
    "redaction: fragments": lambda t: secret_fragments([t]),
    "redaction: mask": lambda t: mask_secrets(t, frozenset(("secret1", "a1b2c3d4"))),
    "redaction: strip": lambda t: strip_secrets(t, frozenset(("secret1", "a1b2c3d4", "pass word1"))),
    "addresses: normalize_url": normalize_url,
    "addresses: page_url": page_url,
    "addresses: page_id": page_id,
    "addresses: host_of": host_of,
    "addresses: url_hash": url_hash,
    "addresses: default_exclusion_rule": default_exclusion_rule,
    "addresses: matching_domain": lambda t: matching_domain(t, frozenset(("e.com",))),
    "addresses: normalize_domain": _without_errors(normalize_domain),
    "addresses: search_query": lambda t: search_query(t, t),
    "addresses: url_path_words": url_path_words,
    "addresses: url_folders": url_folders,
    "cleaning: normalize_unicode": lambda t: normalize_unicode(t, "NFKC"),
    "cleaning: strip_invisible": strip_invisible,
    "cleaning: collapse_whitespace": collapse_whitespace,
    "cleaning: strip_markup": strip_markup,
    "cleaning: shorten": lambda t: shorten(t, 80),
    "cleaning: contains_nul": lambda t: contains_nul({"a": [t, {"b": t}]}),
    "titles: clean_title": clean_title,
    "titles: without_counters": without_counters,
    "titles: is_interim_title": is_interim_title,
    "titles: is_automatic_title": is_automatic_title,
    "titles: share_of_words": lambda t: share_of_words(t, t),
    "titles: title_of_page": lambda t: title_of_page(_titled(t, f"{t} (1)", "Loading"), (t, t, t)),
    "titles: file_name": file_name,
    "late titles: titles": lambda t: reconcile(_app((t, t, "Bears")), _contents("text", t, t)),
    "late titles: texts": lambda t: reconcile(_app(("Bears", "Bears", "Honey")), _contents(f"Bears {t}", t, t)),
    "same pages: addresses": lambda t: reconcile(_app(("A", "A", "B"), f"https://e.com/{t}"), _contents(t, t, t)),
    "same pages: canonical": lambda t: reconcile(_app(("A", "A", "B"), canonical=t), _contents(t, t, t)),
    "same pages: redacted": lambda t: reconcile(
        _app((t, f"{t}!", "B"), "https://e.com/a?code=REDACTED"), _contents(t, t, t)
    ),
    "words: find_words": find_words,
    "words: unspaced_length": unspaced_length,
    "words: join_words": lambda t: join_words(find_words(t)),
    "parameters: looks_random": looks_random,
    "parameters: name": lambda t: meaning_of(t, "a", (t.lower(),), host="e.com", path="/"),
    "parameters: value": lambda t: [meaning_of(n, t, (n,), host="e.com", path=t) for n in ("code", "ref", "t", "sig")],
    "parameters: host": lambda t: dropped_names(t, t, (t,)),
    "labels: segment_title": segment_title,
    "labels: title_label": title_label,
    "labels: clean_site_name": clean_site_name,
    "labels: exclusion_reason": lambda t: exclusion_reason("https://e.com", t, t),
    "labels: page_features": lambda t: page_features(replace(_page(t), title=t, highlights=(t,))),
    "labels: default_page_label": lambda t: default_page_label(page_features(replace(_page(), title=t))),
    "labels: detect_language": detect_language,
    "labels: split_sentences": lambda t: list(split_sentences(t)),
    "labels: join_wrapped_lines": lambda t: join_wrapped_lines([line for line in t.split("\n") if line]),
    "search: search_words": search_words,
    "search: tsvector_text": lambda t: tsvector_text([("A", t), ("B", t)], "7f/"),
    "search: unweighted": lambda t: unweighted_tsvector_text(t, "7f/"),
    "search: tsquery_text": lambda t: tsquery_text(t, ["7f/"]),
    "search: query_terms": query_terms,
    "search: forgiving_terms": lambda t: forgiving_terms(t, ["7f/"]),
    "search: has_word_like": lambda t: has_word_like("honey", [t]),
    "search: is_one_error_apart": lambda t: is_one_error_apart(t, f"{t}a"),
    "search: snippet": lambda t: snippet("bears honey", t, [t], t),
    "search: index_rows": lambda t: index_rows(_ID, _ID, [IndexedPage(_fields(title=t, url=t, highlights=[t]), t)], {}),
    "imports: parse_events": lambda t: _import(t.encode()),
    "imports: session file": lambda t: _import(event_body(content=t, title=t)),
    "model answers: parse_response": lambda t: parse_response(t, DescribeResponse, is_truncated=False),
    "model answers: fence": lambda t: parse_response("<think>" + t, DescribeResponse, is_truncated=False),
    "model answers: estimate_tokens": estimate_tokens,
    "model answers: truncate": lambda t: truncate(t, 200),
    "logs: sanitize": sanitize,
    "exports: timeline_csv": lambda t: timeline_csv([_timeline([("page_visit", t, {"title": t})])]),
}


def _titled(*titles: str) -> list[VisitRecord]:
    return [visit for title in titles for visit in _app((title,)).visits]


def _app(titles: Sequence[str], address: str = "https://e.com/a", canonical: str | None = None) -> Timeline:
    """A timeline of one application that sets its own titles; its pages may be one by their addresses."""
    return Timeline(
        tuple(
            VisitRecord(
                str(i), i, f"p_{i}", f"{address}{i}", title, _T0 + i, _T0 + i + 1, 1, 0.5, False, f"c{i}",
                tab_id=1, via="route" if i else "load", canonical=canonical,
            )
            for i, title in enumerate(titles)
        ),
        (), len(titles), len(titles), 0, len(titles), len(titles),
    )  # fmt: skip


def _contents(*texts: str) -> dict[str, str]:
    return {f"c{i}": text for i, text in enumerate(texts)}


def _many_pages(n: int) -> Any:
    """Pages of one application whose addresses, titles and texts may all be one page's."""
    text = "\n".join(f"Sentence {i} about bears and honey." for i in range(3))
    timeline = _app([f"Bears {i % 3}" for i in range(n)], "https://e.com/a/", "https://e.com/a")
    # Lines of one length: shorter ones are not compared, so that the first thousand pages would be another kind.
    return reconcile(timeline, {f"c{i}": f"{text}\n{i:06}" for i in range(n)})


def _updates(n: int) -> Any:
    visit = {"type": "page_visit", "url": "https://e.com/a"}
    events = [
        TimelineEvent(f"{i:08}", "page_visit", _T0 + i, _T0 + i, {**visit, "event_id": str(i % 7)}, i)
        if i % 2
        else TimelineEvent(f"{i:08}", "page_update", _T0 + i, _T0 + i, {"visit_id": str(i % 5), "title": "A"}, i, "c")
        for i in range(n)
    ]
    return apply_corrections(events)


def _import(raw: bytes) -> None:
    with suppress(InvalidSessionFile, UnicodeDecodeError):
        pages_from_events(parse_events(raw))


def _timeline(events: Sequence[tuple[str, str, dict[str, Any]]], span: SessionSpan | None = None) -> Any:
    return build_timeline(
        [
            TimelineEvent(f"{i:08}", kind, _T0 + i * 10, _T0 + i * 10 + 5, {"url": url, **fields}, i)
            for i, (kind, url, fields) in enumerate(events)
        ],
        span or SessionSpan(_T0, _T0 + 10**9),
    )


def _events(n: int, kinds: Sequence[str], **fields: Callable[[int], Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (kinds[i * len(kinds) // n], "https://e.com/a", {name: value(i) for name, value in fields.items()})
        for i in range(n)
    ]


def _pauses(n: int) -> SessionSpan:
    return SessionSpan(_T0, _T0 + 10**9, tuple((_T0 + i * 10, _T0 + i * 10 + 1) for i in range(n)))


def _far_away(n: int) -> Any:
    events = [
        TimelineEvent(
            f"{i:08}", "page_visit", _T0 + 10**10 + i if i else _T0, _T0 + i, {"url": f"https://e.com/{i}"}, i
        )
        for i in range(n)
    ]
    return build_timeline(events, SessionSpan(_T0))


def _map(n: int) -> MindmapDocument:
    """A map of `n` pages below the topics of a real one, and a cross edge between each two neighbours."""
    pages = [
        CapturedPage(f"p_{i:016x}", f"https://e{i % 7}.com/{i}", f"Page {i} about bears", "Bears eat honey. " * 3)
        for i in range(40)
    ]
    document = build_map(pages)
    parent = {edge.target: edge for edge in document.edges if edge.kind == "contains"}
    models = itertools.cycle(node for node in document.nodes if node.type == "page")
    nodes, edges = list(document.nodes), list(document.edges)
    for i, node in zip(range(n), models, strict=False):
        nodes.append(node.model_copy(update={"id": f"copy-{i}"}))
        edge = parent[node.id]
        edges.append(edge.model_copy(update={"id": f"e-{i}", "target": f"copy-{i}"}))
        if i:
            cross = {"id": f"x-{i}", "kind": "cross", "source": f"copy-{i}", "target": f"copy-{i - 1}"}
            edges.append(edge.model_copy(update=cross))
    return document.model_copy(update={"nodes": tuple(nodes), "edges": tuple(edges)})


@cache
def _cached_map(n: int) -> MindmapDocument:
    return _map(n)


#: Of a number of events, visits or nodes.
COUNT_READERS: dict[str, Callable[[int], Any]] = {
    "timeline: one page often": lambda n: _timeline(_events(n, ["page_visit", "scroll"], scroll_depth=lambda _: 0.5)),
    "timeline: leaves of one page": lambda n: _timeline(_events(n, ["page_visit", "page_leave"])),
    "timeline: leaves in tabs": lambda n: _timeline(
        _events(n, ["page_visit", "page_leave"], tab_id=lambda i: i % 50 if i % 3 else None)
    ),
    "timeline: visits without tab": lambda n: _timeline(
        _events(n, ["page_visit", "page_leave"], tab_id=lambda i: i if i > n // 2 else None)
    ),
    "timeline: leaves before visits": lambda n: _timeline(_events(n, ["page_leave", "page_visit"])),
    "timeline: parallel tabs": lambda n: _timeline(
        [
            (kind, f"https://e.com/{i // 2}", {"duration_ms": 86_400_000})
            for i, kind in zip(range(n), itertools.cycle(["page_visit", "page_leave"]), strict=False)
        ]
    ),
    "timeline: pauses": lambda n: _timeline(_events(n, ["page_visit"]), _pauses(n)),
    "timeline: wrong clock": _far_away,
    "timeline: highlights": lambda n: _timeline(
        _events(n, ["page_visit", "highlight"], text=lambda i: f"text {i}", tab_id=lambda i: [i % 5])
    ),
    "timeline: pages": lambda n: captured_pages(_timeline(_events(n, ["page_visit", "highlight"], text=str)), {}),
    "timeline: corrections": _updates,
    "same pages: pages of one group": _many_pages,
    "exports: Markdown": lambda n: to_markdown(_cached_map(n)),
    "exports: OPML": lambda n: to_opml(_cached_map(n)),
    "exports: FreeMind": lambda n: to_freemind(_cached_map(n)),
    "exports: tree": lambda n: to_tree_text(_cached_map(n)),
    "search: highlights of a page": lambda n: index_rows(
        _ID, _ID, [IndexedPage(_fields(highlights=["honey bears " * 3] * n), "text")], {}
    ),
}


def text_growth(name: str, rule: Rule, sizes: Sequence[tuple[int, float]], num_shapes: int) -> list[tuple[str, Growth]]:
    """(shape, growth) of a text reader, for the slowest shapes of the `num_shapes` units that take it longest."""
    reader = TEXT_READERS[name]
    with without_garbage_collection():
        slowest: dict[str, tuple[float, str]] = {}
        for shape, unit, text in shapes(_SCREENED_CHARS):
            slowest[unit] = max(slowest.get(unit, (0.0, "")), (cpu_s(partial(reader, text)), shape))
        measured = sorted(slowest.values(), reverse=True)[:num_shapes]
        return [(shape, measure_growth(reader, partial(_shape, shape), sizes, rule)) for _, shape in measured]


def count_growth(name: str, rule: Rule, sizes: Sequence[tuple[int, float]]) -> Growth:
    """The growth of a reader of many events, visits or nodes."""
    with without_garbage_collection():
        return measure_growth(COUNT_READERS[name], lambda n: n, sizes, rule)
