"""Every export, also of an edited map, read back by a library that other programs use (`clients/exports/read.mjs`)."""

from __future__ import annotations

import codecs
import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from cluster.mindmap.document.edit_layout import apply_edits
from cluster.mindmap.render.canvas import format_duration
from cluster.mindmap.render.dashboard_tones import DASHBOARD_TONES
from cluster.mindmap.render.exports import to_freemind, to_markdown, to_opml
from models.mindmap.document import CORE_ID, MindmapDocument, Node
from models.mindmap.operations import AddEdge, AddNode, Hide, Merge, Move, Operation, Rename, Split
from models.recording.timeline import HighlightRecord, Timeline, VisitRecord
from serve.routes.exports import timeline_csv
from tests.support.map_sessions import sample_map

CLIENTS = Path(__file__).parents[2] / "clients"
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
#: Signs that one of the formats, or an extension of Markdown, reads as markup.
HOSTILE = (
    "1. a <b> & *c* $x^2$ _d_ `e` [f](g) | ~~h~~ ==i== :smile:",
    "- Write &lt;div&gt; and &amp;",
    "# p < 0.05 > 0 \\ \"quoted\" 'single'",
    "> 2026. year; +5 {x} [ ] ![y](z) <!-- w -->",
    "پایگاه‌داده 量子 👩‍💻 व्याकरण",
    "=1+1",
)

needs_readers = pytest.mark.skipif(
    NODE is None or not (CLIENTS / "node_modules/markmap-lib").exists(), reason="needs `npm ci` in clients/"
)


def read(kind: str, text: str) -> Any:
    assert NODE is not None
    command = [NODE, str(CLIENTS / "exports/read.mjs"), kind]
    result = subprocess.run(command, input=text.encode(), capture_output=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    return json.loads(result.stdout)


def edited_map() -> MindmapDocument:
    """Sample 06 with every kind of edit, each on a node that this map has.

    A page moved beside sub-topics, notes at three levels, hostile labels, a hidden page, merged and split topics, a
    link of the user's.
    """
    document = sample_map("06-long-research")
    children = document.children()
    types = {node.id: node.type for node in document.nodes}
    topics = [child for child in children[CORE_ID] if types[child] == "topic"]

    def below(node_id: str, node_type: str) -> list[str]:
        return [child for child in children.get(node_id, []) if types[child] == node_type]

    # The topic with most sub-topics takes the page, the one with most pages gives it, and two others become one.
    target, *others = sorted(topics, key=lambda topic: -len(below(topic, "subtopic")))
    source, merged, other, *_ = sorted(others, key=lambda topic: -len(below(topic, "page")))
    subtopic = below(target, "subtopic")[0]
    moved, hidden, *pages = below(source, "page")
    renamed = list(zip(pages, HOSTILE, strict=False))
    ends = [{edge.source, edge.target} for edge in document.edges]
    linked = next(topic for topic in topics if not any(topic in pair and pair & {merged, other} for pair in ends))
    assert len(renamed) == len(HOSTILE)
    operations: list[Operation] = [
        Move(op_id="move", node_id=moved, parent_id=target),
        AddNode(op_id="n1", parent_id=target, label="My note", description=f"Thoughts: {HOSTILE[0]}"),
        AddNode(op_id="n2", parent_id=CORE_ID, label="Note of the core", description=HOSTILE[2]),
        AddNode(op_id="n3", parent_id=subtopic, label="Nested note", description="Below a sub-topic."),
        AddNode(op_id="t1", parent_id=CORE_ID, type="topic", label="Own topic", description="What I think."),
        Hide(op_id="hide", node_id=hidden),
        Merge(op_id="merge", node_ids=(merged, other)),
        Split(op_id="split", node_id=source, member_ids=tuple(pages[-2:]), label="Split off"),
        AddEdge(op_id="edge", source=merged, target=linked, label="see also"),
        Rename(op_id="core", node_id=CORE_ID, label=HOSTILE[1]),
        Rename(op_id="topic", node_id=merged, label=HOSTILE[2][:60]),
        *(Rename(op_id=f"r{i}", node_id=page, label=text) for i, (page, text) in enumerate(renamed)),
    ]
    edited, reports = apply_edits(document, operations)
    assert [report for report in reports if report.status == "not_applied"] == []
    assert "see also" in [why for _, _, why in links_of(edited)]
    return edited


MAPS: dict[str, Callable[[], MindmapDocument]] = {
    "ko": lambda: sample_map("04-korean-office"),
    "en": lambda: sample_map("06-long-research"),
    "edited": edited_map,
}


@pytest.fixture(params=MAPS)
def document(request: pytest.FixtureRequest) -> MindmapDocument:
    return MAPS[request.param]()


def visible_children(document: MindmapDocument, node_id: str) -> list[Node]:
    nodes = {node.id: node for node in document.nodes if not node.data.hidden}
    return [nodes[child] for child in document.children().get(node_id, []) if child in nodes]


def text_of(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def page_text(node: Node, language: str) -> str:
    duration = f" ({format_duration(node.data.total_duration, language)})" if node.data.total_duration >= 1000 else ""
    return node.label + duration


def page_lines(node: Node) -> list[str]:
    """The texts below a page: the user's own note, and each highlight by itself."""
    notes = [node.data.description] if node.data.origin == "user" and node.data.description else []
    return [*notes, *node.data.highlights]


def links_of(document: MindmapDocument) -> list[tuple[Node, Node, str]]:
    """The links beside the tree: both ends, and the name or the shared terms."""
    nodes = {node.id: node for node in document.nodes if not node.data.hidden}
    return [
        (nodes[edge.source], nodes[edge.target], edge.label or ", ".join(edge.terms))
        for edge in document.edges
        if edge.kind == "cross" and {edge.source, edge.target} <= nodes.keys()
    ]


@needs_readers
def test_markmap_draws_the_whole_map(document: MindmapDocument) -> None:
    drawn = read("markdown", to_markdown(document))

    def check(node: dict[str, Any], node_id: str) -> None:
        expected = visible_children(document, node_id)
        found = node["children"]
        if node_id == CORE_ID and document.excluded_pages:
            assert text_of(found[-1]["html"]) == {"en": "Left out", "ko": "지도에서 뺀 페이지"}[document.language]
            assert len(found[-1]["children"]) == len(document.excluded_pages)
            found = found[:-1]
        if node_id == CORE_ID and (links := links_of(document)):
            assert text_of(found[-1]["html"]) == {"en": "Related topics", "ko": "관련 주제"}[document.language]
            assert [text_of(line["html"]) for line in found[-1]["children"]] == [
                f"{source.label} ↔ {target.label}{f' ({why})' if why else ''}" for source, target, why in links
            ]
            found = found[:-1]
        assert len(found) == len(expected)
        for child, drawn_child in zip(expected, found, strict=True):
            if child.type == "page":
                assert text_of(drawn_child["html"]) == page_text(child, document.language)
                assert [text_of(line["html"]) for line in drawn_child["children"]] == page_lines(child)
                links = re.findall(r'href="([^"]+)"', drawn_child["html"])
                assert len(links) == len(child.data.urls[:1])
            else:
                assert text_of(drawn_child["html"]) == child.label
                check(drawn_child, child.id)

    assert text_of(drawn["html"]) == document.title
    check(drawn, CORE_ID)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_no_markup_in_common_mark(text: str) -> None:
    document = sample_map("01-money-and-stars")
    page = next(node for node in document.nodes if node.type == "page")
    data = page.data.model_copy(update={"highlights": (text, f"{text} again")})
    changed = page.model_copy(update={"label": text, "data": data})
    nodes = tuple(changed if node.id == page.id else node for node in document.nodes)
    named = document.model_copy(update={"nodes": nodes, "title": text, "summary": text})
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    inline = [token for token in reader.parse(to_markdown(named)) if token.type == "inline"]
    texts = ["".join(part.content for part in token.children or []) for token in inline]
    assert texts.count(text) == 3  # Title, summary, highlight.
    assert f"{text} again" in texts
    assert any(block.startswith(f"{text} (") for block in texts)
    kinds = {part.type for token in inline for part in token.children or []}
    assert kinds <= {"text", "text_special", "link_open", "link_close"}


@needs_readers
def test_opml_and_freemind_hold_the_same_tree(document: MindmapDocument) -> None:
    def check(found: dict[str, Any], node: Node, label: str) -> None:
        assert found[label] == node.label
        notes = found["notes"] if label == "TEXT" else found["_note"].split("\n") if "_note" in found else []
        marked = [f"“{' '.join(text.split())}”" for text in node.data.highlights]
        # An outline has no arrows: the notes of both ends name the link.
        named = [] if label == "TEXT" else linked.get(node.id, [])
        assert notes == ([node.data.description] if node.data.description else []) + marked + named
        if node.type == "page" and node.data.urls:
            assert found.get("LINK") == node.data.urls[0] if label == "TEXT" else found["url"] == node.data.urls[0]
        expected = visible_children(document, node.id)
        assert len(found["children"]) == len(expected)
        for child, node_found in zip(expected, found["children"], strict=True):
            check(node_found, child, label)

    linked: dict[str, list[str]] = {}
    for source, target, why in links_of(document):
        for node, other in ((source, target), (target, source)):
            linked.setdefault(node.id, []).append(f"↔ {other.label}{f' ({why})' if why else ''}")
    check(read("opml", to_opml(document)), document.nodes[0], "text")
    drawn = read("freemind", to_freemind(document))
    check(drawn, document.nodes[0], "TEXT")
    assert set(arrows(drawn)) == {(source.id, target.id) for source, target, _ in links_of(document)}
    # The core in the middle, topics in readable hues on both sides of it.
    assert {child["POSITION"] for child in drawn["children"]} == {"left", "right"}
    topics = [child for child in visible_children(document, CORE_ID) if child.type == "topic"]
    colours = {child["ID"]: child.get("COLOR") for child in drawn["children"]}
    assert {colours[f"ID_{topic.id}"] for topic in topics} <= set(DASHBOARD_TONES["light"].hues)
    assert "COLOR" not in drawn


def test_a_freemind_file_is_readable_in_every_encoding() -> None:
    text = to_freemind(edited_map())
    assert text.isascii()
    assert 'MIDDLE_LABEL="see also"' in text
    for encoding in ("utf-8", "cp949", "latin-1"):
        root = ElementTree.fromstring(text.encode(encoding).decode(encoding))
        assert HOSTILE[4] in {node.get("TEXT") for node in root.iter("node")}


def test_times_and_headings_are_in_the_language_of_the_map() -> None:
    korean = to_markdown(sample_map("04-korean-office"))
    assert re.search(r"\(\d+분\)$", korean, re.MULTILINE)
    assert not re.search(r"\(\d+ (s|min)\)$", korean, re.MULTILINE)
    for text in (korean, to_markdown(edited_map())):
        assert text.endswith("\n")
        assert "\n\n\n" not in text


def test_excel_reads_the_timeline_as_utf_8() -> None:
    empty = Timeline((), (), num_events=0, num_page_visits=0, num_highlights=0, num_unique_urls=0, dwell_ms=0)
    assert timeline_csv([empty]).encode().startswith(codecs.BOM_UTF8 + b"kind,")


def arrows(node: dict[str, Any]) -> list[tuple[str, str]]:
    """The links between nodes: the ids of both ends."""
    own = [(node["ID"].removeprefix("ID_"), link.removeprefix("ID_")) for link in node["links"]]
    return own + [each for child in node["children"] for each in arrows(child)]


@needs_readers
def test_csv_holds_every_visit_and_highlight() -> None:
    visits = tuple(
        VisitRecord(
            key=str(i), ordinal=i, page_id=f"p_{i}", url=f"https://a.example/{i}?q=a,b", title=text,
            started_ms=i * 1000, ended_ms=i * 1000 + 500, dwell_ms=500,
            max_scroll_depth=0.5, is_revisit=False, content_key=None,
        )
        for i, text in enumerate(HOSTILE)
    )  # fmt: skip
    marks = tuple(
        HighlightRecord(
            key=str(i), page_id=f"p_{i}", visit_key=str(i), url=f"https://a.example/{i}",
            text=f'{text}\n"second, line"', occurred_ms=i * 1000 + 100, note=f"\t{text}",
        )
        for i, text in enumerate(HOSTILE)
    )  # fmt: skip
    timeline = Timeline(
        visits=visits,
        highlights=marks,
        num_events=12,
        num_page_visits=6,
        num_highlights=6,
        num_unique_urls=6,
        dwell_ms=3000,
    )
    result = read("csv", timeline_csv([timeline]))
    assert result["errors"] == []
    assert [row["kind"] for row in result["rows"]] == ["visit", "highlight"] * len(HOSTILE)

    def cell(text: str) -> str:
        # A spreadsheet would run it as a formula: an apostrophe marks it as text.
        return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text

    assert [row["title"] for row in result["rows"][::2]] == [cell(text) for text in HOSTILE]
    assert [row["text"] for row in result["rows"][1::2]] == [cell(f'{text}\n"second, line"') for text in HOSTILE]
    assert [row["note"] for row in result["rows"][1::2]] == [cell(f"\t{text}") for text in HOSTILE]


def test_json_is_read_back_as_the_same_map(document: MindmapDocument) -> None:
    assert MindmapDocument.from_json(json.loads(json.dumps(document.to_json()))) == document
