"""A session as a dataset contains it: without its person's ids, without secrets, without the day.

Only pages that the user sees on the map are taken. Searches are left out: what people type says the most about them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cluster.mindmap.render.canvas import visible_nodes
from cluster.providers.privacy.outline_redaction import mask_secrets, secret_fragments, strip_secrets
from cluster.providers.privacy.redaction import redact
from models.analysis.anonymity import QuasiIdentifiers
from models.analysis.consented_sessions import ConsentedSession
from models.mindmap.document import MindmapDocument, Node
from models.recording.exclusions import default_exclusion_rule, site_host
from models.recording.pages import CapturedPage
from models.urls import page_url

#: The columns of each file, as DuckDB declares them. Times are milliseconds since the first visit of the session.
COLUMNS: Final[dict[str, str]] = {
    "sessions": (
        "session VARCHAR, person VARCHAR, language VARCHAR, hour INTEGER, sites VARCHAR[], num_pages INTEGER,"
        " num_visits INTEGER, active_ms BIGINT, k INTEGER"
    ),
    "pages": (
        "session VARCHAR, page INTEGER, url VARCHAR, site VARCHAR, title VARCHAR, text VARCHAR, active_ms BIGINT,"
        " scroll_depth DOUBLE, visits STRUCT(visit INTEGER, at_ms BIGINT)[], highlights VARCHAR[]"
    ),
    "maps": (
        "session VARCHAR, title VARCHAR, summary VARCHAR, language VARCHAR, provider VARCHAR, pipeline_version INTEGER,"
        " is_edited BOOLEAN, scorecard STRUCT(grounding DOUBLE, coverage DOUBLE, attention DOUBLE, separation DOUBLE,"
        " stability DOUBLE), nodes STRUCT(node INTEGER, parent INTEGER, type VARCHAR, label VARCHAR, label_by VARCHAR,"
        " description VARCHAR, keywords VARCHAR[], page INTEGER, importance DOUBLE)[],"
        " links STRUCT(source INTEGER, target INTEGER, label VARCHAR)[]"
    ),
}


@dataclass(frozen=True, slots=True)
class DatasetSession:
    """The rows of one session, and the number of secrets that were removed from them."""

    identifiers: QuasiIdentifiers
    person: str
    session_row: dict[str, Any]
    page_rows: list[dict[str, Any]]
    map_row: dict[str, Any]
    num_secrets: int


class TextRedactor:
    """Removes the secrets of one session from its texts, also where only another page shows that they are secrets."""

    def __init__(self, texts: Sequence[str], email: str) -> None:
        secrets = {email}
        self.num_secrets = sum(redact(text, secrets)[1] for text in texts)
        self._fragments = secret_fragments(secrets)

    def text(self, text: str) -> str:
        """A text of a page, with placeholders."""
        return mask_secrets(redact(text)[0], self._fragments)

    def label(self, text: str) -> str:
        """A short text, which may have been cut from the middle of a secret."""
        return strip_secrets(self.text(text), self._fragments)

    def url(self, url: str) -> str:
        """The address that identifies the page, without secrets."""
        return self.text(page_url(url))


def has_private_page(pages: Sequence[CapturedPage]) -> bool:
    """Whether the session has a page that the default rules exclude.

    A user may allow such a site, which is no consent to let it leave; the labels and the summary may speak of it too.
    """
    return any(default_exclusion_rule(page.url) is not None for page in pages)


def redacted_document(document: MindmapDocument, redactor: TextRedactor) -> MindmapDocument:
    """The map with its labels redacted, for a picture of it."""

    def redacted(node: Node) -> Node:
        data = node.data.model_copy(
            update={
                "title": redactor.label(node.data.title) if node.data.title else None,
                "description": redactor.label(node.data.description) if node.data.description else None,
                "keywords": tuple(map(redactor.label, node.data.keywords)),
                "evidence": (),
                "highlights": (),
                "searches": (),
                "urls": (),
            }
        )
        return node.model_copy(update={"label": redactor.label(node.label), "data": data})

    edges = tuple(
        edge.model_copy(update={"label": redactor.label(edge.label) if edge.label else None, "terms": ()})
        for edge in document.edges
    )
    return document.model_copy(
        update={
            "title": redactor.label(document.title),
            "summary": redactor.label(document.summary),
            "nodes": tuple(map(redacted, document.nodes)),
            "edges": edges,
            "excluded_pages": (),
        }
    )


def redact_session(
    source: ConsentedSession,
    pages: Sequence[CapturedPage],
    pseudonym: Callable[[str], str],
    *,
    hour_width: int,
    has_texts: bool,
) -> DatasetSession:
    """The rows of a session. `hour_width` hours of the day look the same; 24 leaves the hour out."""
    document = MindmapDocument.from_json(source.document)
    nodes = _shown_tree(document)
    on_map = {node.data.page_id for node in nodes if node.data.page_id}
    kept = [page for page in pages if page.page_id in on_map]
    numbers = {page.page_id: number for number, page in enumerate(kept)}
    nodes = [node for node in nodes if node.data.page_id is None or node.data.page_id in numbers]
    redactor = TextRedactor(
        [text for page in kept for text in (page.url, page.title, page.text, *page.highlights)], source.email
    )
    session, person = pseudonym(f"session {source.session_id}"), pseudonym(f"person {source.user_id}")
    began_ms = min((at for page in kept for at in page.visited_at_ms), default=0)
    page_rows = [_page_row(session, numbers[page.page_id], page, redactor, began_ms) for page in kept]
    if not has_texts:
        page_rows = [{**row, "text": "", "highlights": []} for row in page_rows]
    hour = source.started_at.hour // hour_width * hour_width if hour_width < 24 else None
    identifiers = QuasiIdentifiers(tuple(sorted({row["site"] for row in page_rows})), hour, document.language)
    return DatasetSession(
        identifiers,
        person,
        {
            "session": session,
            "person": person,
            "language": document.language,
            "hour": hour,
            "sites": list(identifiers.sites),
            "num_pages": len(kept),
            "num_visits": sum(len(page.visited_at_ms) for page in kept),
            "active_ms": sum(page.dwell_ms for page in kept),
            "k": None,
        },
        page_rows,
        _map_row(session, source, document, nodes, numbers, redactor),
        redactor.num_secrets,
    )


def _shown_tree(document: MindmapDocument) -> list[Node]:
    """The nodes that the user sees and whose ancestors they see, parents first."""
    parents = document.parents()
    shown: dict[str, Node] = {}
    for node in visible_nodes(document):
        if node.type == "core" or parents.get(node.id) in shown:
            shown[node.id] = node
    return list(shown.values())


def _page_row(session: str, number: int, page: CapturedPage, redactor: TextRedactor, began_ms: int) -> dict[str, Any]:
    return {
        "session": session,
        "page": number,
        "url": redactor.url(page.url),
        "site": redactor.text(site_host(page.url).removeprefix("www.")),
        "title": redactor.label(page.title),
        "text": redactor.text(page.text),
        "active_ms": page.dwell_ms,
        "scroll_depth": page.max_scroll_depth,
        "visits": [
            {"visit": visit, "at_ms": at - began_ms}
            for visit, at in zip(page.visit_order, page.visited_at_ms, strict=True)
        ],
        "highlights": [redactor.text(highlight) for highlight in page.highlights],
    }


def _map_row(
    session: str,
    source: ConsentedSession,
    document: MindmapDocument,
    nodes: Sequence[Node],
    page_numbers: dict[str, int],
    redactor: TextRedactor,
) -> dict[str, Any]:
    parents = document.parents()
    numbers = {node.id: number for number, node in enumerate(nodes)}
    scores = document.scorecard.model_dump(exclude={"continuity"})
    return {
        "session": session,
        "title": redactor.label(document.title),
        "summary": redactor.label(document.summary),
        "language": document.language,
        "provider": document.provider,
        "pipeline_version": source.pipeline_version,
        "is_edited": source.is_edited,
        "scorecard": scores,
        "nodes": [
            {
                "node": numbers[node.id],
                "parent": numbers.get(parents.get(node.id, "")),
                "type": node.type,
                "label": redactor.label(node.label),
                # Only what its user has written on this map is a correction of it.
                "label_by": "reused" if node.data.reused_from is not None else node.data.label_by,
                "description": redactor.label(node.data.description or ""),
                "keywords": [word for word in map(redactor.label, node.data.keywords) if word],
                "page": page_numbers.get(node.data.page_id or ""),
                "importance": node.data.importance.score,
            }
            for node in nodes
        ],
        "links": [
            {
                "source": numbers[edge.source],
                "target": numbers[edge.target],
                "label": redactor.label(edge.label or ""),
            }
            for edge in document.edges
            if edge.kind == "cross" and edge.source in numbers and edge.target in numbers
        ],
    }


def with_group_size(session: DatasetSession, k: int) -> DatasetSession:
    """The session with the number of people in its group."""
    return replace(session, session_row={**session.session_row, "k": k})
