"""The map document: stored as a version, served as `mindmap.data`, and drawn by every client.

A document is a tree `core → topic → subtopic → page` with cross edges, three layouts, the excluded pages, and numbers
by which a reader can judge it. A sub-topic of many pages can have sub-topics, which have none of their own. The JSON
names are those of the clients: `visitCount` and `totalDuration` are camel case, `left_out` stands for excluded pages,
everything else is snake case. Outside Python a document exists only as `to_json()`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from models.mindmap.notes import MapNote
from models.mindmap.summaries import without_reading_time

NodeType = Literal["core", "topic", "subtopic", "page"]
EdgeKind = Literal["contains", "cross"]
EvidenceField = Literal["title", "text", "highlight", "url"]
LayoutName = Literal["galaxy", "tree", "radial"]
FlatLayoutName = Literal["tree", "radial"]

CORE_ID = "core"
NODE_ID_PATTERN = re.compile(r"^[A-Za-z0-9_.:-]{1,64}$")
CORE_COLOR = "#FFD700"
TOPIC_COLORS = ("#3B82F6", "#10B981", "#F59E0B", "#EF4444", "#8B5CF6", "#EC4899", "#14B8A6", "#F97316")
MAX_LABEL_CHARS = 80
MAX_TOPIC_LABEL_CHARS = 48
#: Levels of topics below the core: topics, sub-topics, and the sub-topics of sub-topics.
MAX_TOPIC_LEVELS = 3

#: Why a captured page is not on the map, with the sentence shown to the user.
EXCLUSION_REASONS: dict[str, str] = {
    "search_results": "A list of search results, not a page that was read.",
    "login": "A sign-in page: nothing on it is about your subject.",
    "error": "The server answered with an error page.",
    "empty": "The page had no text and no title of its own.",
    "loading": "The page was captured before it had loaded.",
    "consent": "A cookie or privacy notice covered the page.",
    "captcha": "A check for robots, not content.",
    "inbox": "A mailbox or message list: private, and not about one subject.",
    "new_tab": "An empty tab or the browser's own page.",
    "sensitive": "Excluded because the site is on a list of sensitive sites.",
    "hidden_by_user": "You have hidden this page.",
    "deleted_by_user": "You have removed this page from the map.",
    "not_placed": "The provider that drew this map did not place the page.",
}


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")


class Position(_FrozenModel):
    """World units of the 3-D view: x to the right, y up, z towards the viewer."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0

    def clamped(self, x: float, y: float, z: float) -> Position:
        """The nearest position with |x|, |y| and |z| within the bounds."""
        return Position(x=min(max(self.x, -x), x), y=min(max(self.y, -y), y), z=min(max(self.z, -z), z))


class Point(_FrozenModel):
    """A position in a flat layout, in pixels; y grows downwards."""

    x: float
    y: float


class Evidence(_FrozenModel):
    """A verbatim quote from one field of a captured page, and what of the node it supports."""

    page_id: str
    field: EvidenceField
    quote: str
    supports: Literal["label", "description"] = "label"
    visited_at_ms: tuple[int, ...] = ()


class Importance(_FrozenModel):
    """`score` in 0..1, and the parts that add up to it.

    Of a page: relative to the session's most important page. Of a topic: its share of all pages' importance.
    """

    score: float = 0.0
    dwell: float = 0.0
    highlights: float = 0.0
    scroll: float = 0.0
    revisits: float = 0.0
    centrality: float = 0.0


class ReusedLabel(_FrozenModel):
    """Where a label comes from that the user gave to a topic of another session, and the label it replaces."""

    session_id: str
    topic_id: str
    generated_label: str


class NodeData(_FrozenModel):
    """The content of a node. `totalDuration` is active time in milliseconds; times are UTC epoch milliseconds.

    `hue` is the position of the node's topic in `TOPIC_COLORS`; `origin` is who created the node, `label_by` who
    wrote its label. `reused_from` is set while the label is one that the user gave in another session. `places` has
    the offset from the parent at which the user put the node in a flat layout: in the tree, x is positive to the right
    for a topic, and away from the core for what is below one.
    """

    description: str | None = None
    keywords: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    visit_count: int = Field(default=0, alias="visitCount")
    total_duration: int = Field(default=0, alias="totalDuration")
    page_id: str | None = None
    #: Other ids that the page had on earlier versions of the map, by which edits find it.
    former_page_ids: tuple[str, ...] | None = None
    title: str | None = None
    host: str | None = None
    language: str | None = None
    hue: int | None = None
    importance: Importance = Importance()
    evidence: tuple[Evidence, ...] = ()
    highlights: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    first_visited_at_ms: int | None = None
    last_visited_at_ms: int | None = None
    origin: Literal["generated", "user"] = "generated"
    label_by: Literal["generated", "user"] = "generated"
    reused_from: ReusedLabel | None = None
    pinned: bool = False
    hidden: bool = False
    places: dict[FlatLayoutName, Point] | None = None


class Node(_FrozenModel):
    """One node. `size` is in the clients' units: core 100, topics up to 80, sub-topics up to 50, pages up to 40."""

    id: str
    label: str
    type: NodeType
    size: float
    color: str
    position: Position = Position()
    data: NodeData = NodeData()

    @property
    def generated_label(self) -> str:
        """The label without the words that the user gave in another session."""
        return self.data.reused_from.generated_label if self.data.reused_from is not None else self.label


class Edge(_FrozenModel):
    """`contains` edges form the tree (parent to child); `cross` edges are relations outside it."""

    source: str
    target: str
    weight: float = 1.0
    kind: EdgeKind = "contains"
    label: str | None = None
    terms: tuple[str, ...] = ()
    origin: Literal["generated", "user"] = "generated"


class Layout(_FrozenModel):
    """The layout that clients show first, with its parameters."""

    type: LayoutName = "galaxy"
    params: dict[str, Any] = Field(default_factory=dict)


class ExcludedPage(_FrozenModel):
    """A captured page that is not drawn: a key of `EXCLUSION_REASONS`, and a sentence for the user."""

    page_id: str
    url: str = ""
    title: str = ""
    reason: str
    sentence: str = ""
    total_duration: int = Field(default=0, alias="totalDuration")


class Coverage(_FrozenModel):
    """Counts of pages, with two shares in 0..1.

    `ratio` is the share of captured pages that are on the map or excluded with a reason; `attention` is the share of
    active time that was spent on pages on the map.
    """

    captured: int = 0
    on_map: int = 0
    num_excluded: int = Field(default=0, alias="left_out")
    ratio: float = 1.0
    attention: float = 1.0


class Scorecard(_FrozenModel):
    """How far a map can be trusted: shares in 0..1 that are computed from the pages; None where one is unknown.

    `grounding`: nodes whose label is supported by a verbatim quote of a page; labels of the user's are not counted.
    `coverage`, `attention`: as `ratio` and `attention` of `Coverage`.
    `separation`: similarity to each page's nearest pages (by text) that lies in its own topic.
    `stability`: share of pages that are clearly nearer to their own topic than to any other, times the square root of
    the agreement of the topics with those found when part of the pages is withheld.
    `continuity`: nodes of the previous version that kept their id.
    """

    grounding: float = 1.0
    coverage: float = 1.0
    attention: float = 1.0
    separation: float | None = None
    stability: float | None = None
    continuity: float | None = None


class GeneratedNames(_FrozenModel):
    """Title and summary of a map with the generated labels of its topics.

    The map's own title and summary have the labels instead that the user gave in the sessions `session_ids`.
    """

    title: str
    summary: str
    session_ids: tuple[str, ...]


class MindmapDocument(_FrozenModel):
    """A whole map. Node 0 is the core; a parent always comes before its children.

    `generated_names` is set while topics have labels that the user gave in other sessions.
    """

    title: str = ""
    summary: Annotated[str, AfterValidator(without_reading_time)] = ""
    generated_names: GeneratedNames | None = None
    language: str = "en"
    provider: str = "local"
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    layout: Layout = Layout()
    layouts: dict[str, dict[str, Point]] = Field(default_factory=dict)
    excluded_pages: tuple[ExcludedPage, ...] = Field(default=(), alias="left_out")
    coverage: Coverage = Coverage()
    scorecard: Scorecard = Scorecard()
    #: `note_details` as English sentences, for clients that do not know the codes.
    notes: tuple[str, ...] = ()
    note_details: tuple[MapNote, ...] = ()

    def with_notes(self, notes: Iterable[MapNote]) -> Self:
        """A copy with more notes."""
        more = tuple(notes)
        return self.model_copy(
            update={
                "notes": (*self.notes, *(note.sentence for note in more)),
                "note_details": (*self.note_details, *more),
            }
        )

    def with_provider_names(self, names: Mapping[str, str | None]) -> Self:
        """A copy for readers: its notes call providers by `names`; None is a model on the operator's own server."""
        # Documents of earlier versions begin with sentences that have no code.
        uncoded = self.notes[: len(self.notes) - len(self.note_details)]
        english = tuple(note.with_provider_names(names, "en").sentence for note in self.note_details)
        named = tuple(note.with_provider_names(names, self.language) for note in self.note_details)
        return self.model_copy(update={"notes": (*uncoded, *english), "note_details": named})

    def to_json(self) -> dict[str, Any]:
        """The document as plain JSON values under the clients' names; optional fields without a value are absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_bytes(self) -> bytes:
        """Canonical JSON (sorted keys, UTF-8): equal maps are equal bytes."""
        return json.dumps(self.to_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`. Raises `pydantic.ValidationError` for anything else."""
        return cls.model_validate(data)

    def node(self, node_id: str) -> Node | None:
        """The node with this id, or None."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def parents(self) -> dict[str, str]:
        """Parent id by child id, from the `contains` edges."""
        return {edge.target: edge.source for edge in self.edges if edge.kind == "contains"}

    def children(self) -> dict[str, list[str]]:
        """Child ids by parent id, in the order of the `contains` edges."""
        children: dict[str, list[str]] = {}
        for edge in self.edges:
            if edge.kind == "contains":
                children.setdefault(edge.source, []).append(edge.target)
        return children

    def topic_keywords(self) -> list[str]:
        """The labels of the first eight visible topics: the session's keywords."""
        return [node.label for node in self.nodes if node.type == "topic" and not node.data.hidden][:8]

    def topic_of_pages(self) -> dict[str, str]:
        """By page node id the topic it is below, directly or in a sub-topic; the core for a page without topic.

        Pages that are not in the tree are missing.
        """
        parents = self.parents()
        type_of = {node.id: node.type for node in self.nodes}
        topics: dict[str, str] = {}
        for node in self.nodes:
            if node.type == "page":
                ancestor = parents.get(node.id)
                while ancestor is not None and type_of.get(ancestor) == "subtopic":
                    ancestor = parents.get(ancestor)
                if ancestor is not None:
                    topics[node.id] = ancestor
        return topics
