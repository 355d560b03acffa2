"""The map as Markdown, OPML (outliners) and FreeMind (mind-map programs), in the language of the map."""

from __future__ import annotations

import re
from functools import partial
from xml.sax.saxutils import escape, quoteattr

from cluster.mindmap.render.canvas import format_duration
from cluster.mindmap.render.dashboard_tones import DASHBOARD_TONES, with_tones
from models.mindmap.document import CORE_ID, Edge, MindmapDocument, Node
from models.text import collapse_whitespace

#: Signs that Markdown or its extensions (tables, strikethrough, formulas, shortcodes) read as markup.
_MARKDOWN = re.compile(r"[\\`*_{}\[\]#|~$^]|==|:(?=[a-z][\w+-]*:)|^(?:[-+=:!](?!\w)|\d+(?=[.)]))")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LINK_ESCAPES = str.maketrans({"<": "%3C", ">": "%3E", "\\": "%5C", " ": "%20"})


_LEFT_OUT = {"en": "Left out", "ko": "지도에서 뺀 페이지"}
_RELATED = {"en": "Related topics", "ko": "관련 주제"}
_BLANK_LINES = re.compile(r"\n{3,}")
#: Font sizes in FreeMind, in points; pages have the program's own.
_FREEMIND_SIZES = {"core": 18, "topic": 15, "subtopic": 13}


def to_markdown(document: MindmapDocument) -> str:
    """Markdown with a heading per topic, a linked item per page with its reading time, and highlights as quotes.

    The notes about how the map was made stand below its summary, the links between topics below the tree.

    A page beside topics is a heading of their level: under `### Topic` it would belong to that topic, and markmap drops
    a list that is followed by deeper headings.
    """
    nodes, children = _visible_nodes_by_id(document), document.children()
    lines = [f"# {_escape_markdown(document.title or _core_label(document))}", ""]
    if document.summary:
        lines += [_escape_markdown(document.summary), ""]
    for note in document.note_details:
        lines += [f"> {_escape_markdown(note.sentence_in(document.language))}", ""]

    def write_children(node_id: str, level: int) -> None:
        below = [nodes[child] for child in children.get(node_id, []) if child in nodes]
        line = partial(_page_line, language=document.language)
        has_topics = any(node.type != "page" for node in below)
        for node in below:
            if node.type != "page":
                lines.extend(_heading(_escape_markdown(node.label), level))
                if node.data.description:
                    lines.extend([f"> {_escape_markdown(node.data.description)}", ""])
                write_children(node.id, level + 1)
            elif has_topics:
                lines.extend([*_heading(line(node), level), *(f"- {text}" for text in _page_texts(node))])
            else:
                lines.extend([f"- {line(node)}", *(f"  - {text}" for text in _page_texts(node))])

    write_children(CORE_ID, 2)
    if links := _links(document, nodes):
        lines += _heading(_RELATED.get(document.language, _RELATED["en"]), 2)
        lines += [
            f"- {_escape_markdown(nodes[edge.source].label)} ↔ {_escape_markdown(_linked(nodes[edge.target], edge))}"
            for edge in links
        ]
    if document.excluded_pages:
        lines += _heading(_LEFT_OUT.get(document.language, _LEFT_OUT["en"]), 2)
        lines += [
            f"- {_escape_markdown(page.title or page.url or page.page_id)}: {_escape_markdown(page.sentence)}"
            for page in document.excluded_pages
        ]
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip() + "\n"


def _heading(text: str, level: int) -> list[str]:
    return ["", f"{'#' * min(6, level)} {text}", ""]


def _page_line(node: Node, language: str) -> str:
    """The linked label of a page and its reading time."""
    label = _escape_markdown(node.label)
    link = f"[{label}](<{_escape_link(node.data.urls[0])}>)" if node.data.urls else label
    duration = node.data.total_duration
    return f"{link} ({format_duration(duration, language)})" if duration >= 1000 else link


def _page_texts(node: Node) -> list[str]:
    """The text of the user's own note, then each highlight as a quote of its own."""
    is_note = node.data.origin == "user" and node.data.description
    notes = [_escape_markdown(node.data.description or "")] if is_note else []
    return [*notes, *(f"> {_escape_markdown(text)}" for text in node.data.highlights)]


def to_opml(document: MindmapDocument) -> str:
    """OPML 2.0 (http://opml.org/spec2.opml); pages are outline elements of type "link".

    An outline has no links beside its tree: the notes of both ends name them.
    """
    nodes, children = _visible_nodes_by_id(document), document.children()
    linked: dict[str, list[str]] = {}
    for edge in _links(document, nodes):
        for node_id, other_id in ((edge.source, edge.target), (edge.target, edge.source)):
            linked.setdefault(node_id, []).append(f"↔ {collapse_whitespace(_linked(nodes[other_id], edge))}")

    def outline(node: Node, indent: str) -> list[str]:
        attributes = f"text={_quote_attribute(node.label)}"
        note = "\n".join([*_note_lines(node), *linked.get(node.id, [])])
        if note:
            attributes += f" _note={quoteattr(note)}"
        if node.type == "page" and node.data.urls:
            attributes += f' type="link" url={_quote_attribute(node.data.urls[0])}'
        below = [line for c in children.get(node.id, []) if c in nodes for line in outline(nodes[c], indent + "  ")]
        if not below:
            return [f"{indent}<outline {attributes}/>"]
        return [f"{indent}<outline {attributes}>", *below, f"{indent}</outline>"]

    body = outline(document.nodes[0], "    ") if document.nodes else []
    title = escape(collapse_whitespace(document.title or _core_label(document)))
    head = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<opml version="2.0">',
        f"  <head><title>{title}</title></head>",
        "  <body>",
    ]
    return "\n".join([*head, *body, "  </body>", "</opml>"])


def _note_lines(node: Node) -> list[str]:
    """The description of a node and its highlights, which outliners and mind-map programs show as a note."""
    marked = [f"“{collapse_whitespace(text)}”" for text in node.data.highlights]
    return [collapse_whitespace(node.data.description), *marked] if node.data.description else marked


def to_freemind(document: MindmapDocument) -> str:
    """A FreeMind map (`.mm`), which Freeplane and XMind also open; cross edges become arrow links.

    Topics stand at both sides of the core in the dashboard's hues. The file is ASCII, with references for all other
    characters: older versions of FreeMind read a file in the encoding of the system.
    """
    document = with_tones(document, DASHBOARD_TONES["light"])
    nodes, children = _visible_nodes_by_id(document), document.children()
    arrows: dict[str, list[str]] = {}
    for edge in _links(document, nodes):
        # Freeplane shows the label, FreeMind ignores it.
        label = f" MIDDLE_LABEL={_quote_attribute(edge.label)}" if edge.label else ""
        arrow = f"<arrowlink DESTINATION={_quote_attribute('ID_' + edge.target)}{label}/>"
        arrows.setdefault(edge.source, []).append(arrow)
    left = _left_topics(nodes, children)

    def write(node: Node, indent: str, position: str = "") -> list[str]:
        attributes = f"ID={_quote_attribute('ID_' + node.id)} TEXT={_quote_attribute(node.label)}{position}"
        if node.type in ("topic", "subtopic"):
            attributes += f" COLOR={_quote_attribute(node.color)}"
        if node.type == "page" and node.data.urls:
            attributes += f" LINK={_quote_attribute(node.data.urls[0])}"
        inner = [f"{indent}  {arrow}" for arrow in arrows.get(node.id, [])]
        if node.type == "topic":
            inner.append(f"{indent}  <edge COLOR={_quote_attribute(node.color)}/>")
        if node.type in _FREEMIND_SIZES:
            inner.append(f'{indent}  <font NAME="SansSerif" SIZE="{_FREEMIND_SIZES[node.type]}" BOLD="true"/>')
        note = "".join(f"<p>{escape(line)}</p>" for line in _note_lines(node))
        if note:
            inner.append(f'{indent}  <richcontent TYPE="NOTE"><html><head/><body>{note}</body></html></richcontent>')
        for child in children.get(node.id, []):
            if child in nodes:
                side = f' POSITION="{"left" if child in left else "right"}"' if node.type == "core" else ""
                inner += write(nodes[child], indent + "  ", side)
        return (
            [f"{indent}<node {attributes}>", *inner, f"{indent}</node>"] if inner else [f"{indent}<node {attributes}/>"]
        )

    body = write(document.nodes[0], "  ") if document.nodes else []
    text = "\n".join(['<map version="1.0.1">', *body, "</map>"])
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _left_topics(nodes: dict[str, Node], children: dict[str, list[str]]) -> set[str]:
    """The children of the core that stand at its left: the last ones, with about half of all nodes."""

    def size(node_id: str) -> int:
        return 1 + sum(size(child) for child in children.get(node_id, []) if child in nodes)

    topics = [child for child in children.get(CORE_ID, []) if child in nodes]
    total, seen, left = sum(map(size, topics)), 0, set()
    for topic in topics:
        if seen and seen + size(topic) / 2 > total / 2:
            left.add(topic)
        seen += size(topic)
    return left


def _visible_nodes_by_id(document: MindmapDocument) -> dict[str, Node]:
    return {node.id: node for node in document.nodes if not node.data.hidden}


def _links(document: MindmapDocument, nodes: dict[str, Node]) -> list[Edge]:
    """The links between `nodes` beside the tree."""
    return [edge for edge in document.edges if edge.kind == "cross" and edge.source in nodes and edge.target in nodes]


def _linked(node: Node, edge: Edge) -> str:
    """One end of a link, with the name that the user gave the link or else the terms that both ends share."""
    why = edge.label or ", ".join(edge.terms)
    return f"{node.label} ({why})" if why else node.label


def _core_label(document: MindmapDocument) -> str:
    return document.nodes[0].label if document.nodes else "Map"


def _escape_markdown(text: str) -> str:
    """`text` as Markdown that is read as exactly this text, also at the beginning of a block."""
    return _MARKDOWN.sub(_escape_sign, collapse_whitespace(text).translate(_ENTITIES))


def _escape_sign(match: re.Match[str]) -> str:
    # A number at the beginning would start a list: its dot is escaped, because only signs can be.
    signs = match[0]
    return f"{signs}\\" if signs.isdigit() else "".join(f"\\{sign}" for sign in signs)


def _escape_link(url: str) -> str:
    return collapse_whitespace(url).translate(_LINK_ESCAPES)


def _quote_attribute(text: str) -> str:
    """`text` as a quoted XML attribute, without the control characters that XML 1.0 forbids even as references."""
    return quoteattr(collapse_whitespace(text))
